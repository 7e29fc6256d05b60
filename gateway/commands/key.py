"""`gateway key`: makes the keys that consumers call us with, and the digests we know them by (docs/design.md
4.2).
"""

import argparse
import getpass
import secrets
import string
import sys
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from gateway.config.schema.secret_values import Secret

    Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

KEY_PREFIX: Final = "gw"
"""Secret scanners and people recognise a leaked key by it, and by its length."""
_ALPHABET: Final = string.ascii_letters + string.digits
"""Nothing else, because twilio-go refuses other passwords before it sends anything (docs/facts.md)."""
_KEY_LETTERS: Final = 43  # 62 ** 43 > 2 ** 256

_EPILOG = """\
examples:
  gateway key new billing
  gateway key digest < old-token.txt
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
        - "{digest}"
"""

_ALIAS_TEXT: Final = """
twilio-go sends no user name but letters and digits: give {name} another one in its `usernames` for it."""


def add_parser(subparsers: "Subparsers") -> None:
    """Add `key` with its two subcommands to the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    summary = "make a consumer's key, or the digest of an old one"
    parser = subparsers.add_parser(
        "key",
        help=summary,
        description=f"{summary.capitalize()}.",
        epilog=_EPILOG,
        formatter_class=raw,
    )
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    new = actions.add_parser(
        "new",
        help="make a key",
        description="Make a key of 256 bits. It is printed once and kept nowhere.",
        epilog="example:\n  gateway key new billing\n",
        formatter_class=raw,
    )
    new.add_argument("name", metavar="NAME", type=_read_name, help="the consumer that the key is for")
    new.set_defaults(run=run_new)
    digest = actions.add_parser(
        "digest",
        help="print the digest of a secret read from standard input",
        description="Read a secret from standard input, and print its sha256: line.",
        epilog=_DIGEST_EPILOG,
        formatter_class=raw,
    )
    digest.set_defaults(run=run_digest)


def run_new(args: argparse.Namespace) -> int:
    """Print a new key and its digest: 0."""
    from gateway.config.schema.values import digest_line

    key = new_key()
    alias = "" if args.name.isalnum() else _ALIAS_TEXT.format(name=args.name)
    print(_NEW_TEXT.format(name=args.name, key=key, digest=digest_line(key), alias=alias), end="")
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
