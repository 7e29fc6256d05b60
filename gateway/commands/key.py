"""`gateway key`: makes the keys that consumers call us with, and the digests we know them by (docs/design.md
4.2).
"""

import argparse
import getpass
import json
import secrets
import string
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gateway.commands.admin_arguments import add_token_argument
from gateway.commands.config_argument import add_config_argument
from gateway.commands.key_list import run_list

if TYPE_CHECKING:
    from gateway.commands.command_line import Subparsers
    from gateway.config.schema.secret_values import Secret

KEY_PREFIX: Final = "gw"
"""Secret scanners and people recognise a leaked key by it, and by its length."""
_ALPHABET: Final = string.ascii_letters + string.digits
"""Nothing else, because twilio-go refuses other passwords before it sends anything (docs/facts.md)."""
_KEY_LETTERS: Final = 43  # 62 ** 43 > 2 ** 256

_EPILOG = """\
examples:
  gateway key new billing
  gateway key new billing --expires 2027-06-30 --json
  gateway key list
  gateway key digest < old-token.txt
"""
_NEW_EPILOG: Final = """\
examples:
  gateway key new billing
  gateway key new billing --expires 2027-06-30
  gateway key new billing --quiet 2> entry.yaml | vault kv put -mount=secret billing key=-

With --quiet the key alone goes to standard output, and its entry of the configuration to standard error.
"""
_LIST_EPILOG: Final = """\
examples:
  gateway key list
  gateway key list --expiring 30 --json
  gateway key list --admin http://127.0.0.1:9090
  gateway key list --admin http://127.0.0.1:9090 --callers

Keys are shown by the first digits of their digest, as the log of a reload and the metrics have them.
With --admin the keys are those of the running gateway, with what is known of their use, and those that were
removed in the last 30 days.
exit codes: 0 done, 1 no answer from the admin port, 2 wrong usage or configuration
"""
_DIGEST_EPILOG = """\
example:
  gateway key digest < old-token.txt

For clients with an old AccountSid and AuthToken burnt in: the token's digest goes into their
consumer's `keys`, the AccountSid into its `usernames`.
"""
_NEW_TEXT = """\
The key of {name}, shown this once. Hand it to the service:

  {key}

It goes into the `Authorization` header, as `Bearer` or as the password of the user name {name}.{alias}
The gateway knows it by its digest. Add it to the configuration file:

  consumers:
    {name}:
      keys:
        - {entry}
"""

_ALIAS_TEXT: Final = """
twilio-go sends no user name but letters and digits: give {name} another one in its `usernames` for it."""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `key` with its subcommands to the command line."""
    summary = "make a consumer's key, or the digest of an old one"
    parser = subparsers.add_parser(
        "key", help=summary, description=f"{summary.capitalize()}.", epilog=_EPILOG
    )
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_new(actions)
    _add_list(actions)
    digest = actions.add_parser(
        "digest",
        help="print the digest of a secret read from standard input",
        description="Read a secret from standard input, and print its sha256: line.",
        epilog=_DIGEST_EPILOG,
    )
    digest.set_defaults(run=run_digest)


def _add_new(actions: "Subparsers") -> None:
    new = actions.add_parser(
        "new",
        help="make a key",
        description="Make a key of 256 bits. It is printed once and kept nowhere.",
        epilog=_NEW_EPILOG,
    )
    new.add_argument("name", metavar="NAME", type=_read_name, help="the consumer that the key is for")
    new.add_argument(
        "--expires", metavar="DATE", type=_read_date, help="when it ends: 2027-06-30, or with a time and zone"
    )
    how = new.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print one JSON object: key, digest, entry")
    how.add_argument("--quiet", action="store_true", help="print the key alone, for a pipe")
    new.set_defaults(run=run_new)


def _add_list(actions: "Subparsers") -> None:
    listed = actions.add_parser(
        "list",
        help="list the keys of all consumers, and when they end",
        description="List the keys of all consumers: by their digest, with the date they end at.",
        epilog=_LIST_EPILOG,
    )
    add_config_argument(listed)
    listed.add_argument(
        "--expiring", type=int, metavar="DAYS", help="only those that end within this many days"
    )
    listed.add_argument("--json", action="store_true", help="print one JSON object per key")
    listed.add_argument(
        "--admin", metavar="URL", help="ask this admin port for first and last use, addresses, former keys"
    )
    listed.add_argument(
        "--callers", action="store_true", help="with --admin: who calls with keys of shared consumers"
    )
    add_token_argument(listed)
    listed.set_defaults(run=run_list)


def run_new(args: argparse.Namespace) -> int:
    """Print a new key and its digest: 0."""
    from gateway.config.schema.values import digest_line

    key = new_key()
    digest = digest_line(key)
    entry = f'"{digest}"' if args.expires is None else f'{{digest: "{digest}", expires: {args.expires}}}'
    if args.json:
        made = {"consumer": args.name, "key": key, "digest": digest, "expires": args.expires, "entry": entry}
        print(json.dumps(made))
    elif args.quiet:
        print(key)
        print(f"- {entry}", file=sys.stderr)
    else:
        alias = "" if args.name.isalnum() else _ALIAS_TEXT.format(name=args.name)
        print(_NEW_TEXT.format(name=args.name, key=key, entry=entry, alias=alias), end="")
    return 0


def new_key() -> str:
    """A consumer key of 256 random bits, in letters and digits."""
    return KEY_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_KEY_LETTERS))


def run_digest(args: argparse.Namespace) -> int:
    """Print the digest of what is on standard input: 0, or 2 if that is no secret."""
    from gateway.config.schema.secret_values import SecretError
    from gateway.config.schema.values import digest_line

    try:
        print(digest_line(_read_secret().reveal()))
    except SecretError as error:
        print(f"gateway key digest: {error}; try `gateway key digest < FILE`", file=sys.stderr)
        return 2
    return 0


def _read_date(text: str) -> str:
    """A date or a time with its zone, as the configuration has it."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("write it like 2027-06-30 or 2027-06-30T12:00:00Z") from None
    if len(text) <= len("2027-06-30"):
        found = found.replace(tzinfo=UTC)
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError("a time needs its zone: 2027-06-30T12:00:00Z")
    if found <= datetime.now(UTC):
        raise argparse.ArgumentTypeError("it has passed; give a date to come")
    return found.isoformat().replace("+00:00", "Z")


def _read_name(text: str) -> str:
    from gateway.config.schema.values import NAME

    if not NAME.matches(text):
        raise argparse.ArgumentTypeError(f"{NAME.message}: {NAME.hint}")
    return text


def _read_secret() -> "Secret":
    """One line, without its line break; from a terminal it is read without an echo. Raises SecretError."""
    from gateway.config.schema.secret_values import judge

    if sys.stdin.isatty():
        return judge(getpass.getpass("Secret: "), "the secret")
    return judge(sys.stdin.buffer.read().decode("utf-8", "surrogateescape"), "standard input")
