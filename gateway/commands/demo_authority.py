"""The CA of `gateway demo`: with it, unmodified programs reach the simulated Twilio under `gateway run`.

It is made for one run, in a folder that is removed when the demo ends. The root's key is deleted at once.
"""

import secrets
import shlex
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.commands.demo_webhooks import own_command
from gateway.config.loading.environment import variable_of

_TEXT: Final = """\
A program that calls https://api.twilio.com, in any language, unmodified:

  {command} run --gateway {url} --ca {root} \\
    --consumer {consumer} --key-file {key_file} -- COMMAND
"""
_NO_FOLDER: Final = """\
Unmodified programs that call https://api.twilio.com reach it under `gateway run`, once the demo can make
a CA: let TMPDIR name a directory that can be written to, and start it again.
"""
_NO_EXTRA: Final = """\
Unmodified programs that call https://api.twilio.com reach it under `gateway run`, once the demo can make
a CA: pip install 'twilio-gateway[cryptography]' (`make install` does), and start it again.
"""


class DemoAuthority:
    """A folder with `root.pem`, the gateway's certificate, and the consumer's key; removed at the end."""

    def __init__(self, consumer: str, key: str) -> None:
        self._consumer = consumer
        self._key = key
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._missing = _NO_EXTRA

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def write(self, hosts: Iterable[str]) -> dict[str, str]:
        """The variables that add `ca:` to the configuration; none without the `cryptography` extra, or
        without a directory for temporary files (a container's root may be read-only).

        `hosts`: names beside twilio.com that the gateway signs for. Raises `AuthorityError`.
        """
        try:
            from gateway.ca.authority_files import CERTIFICATE, KEY, ROOT_KEY, AuthorityFiles
        except ImportError:
            return {}
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="gateway-demo-")
        except OSError:
            self._missing = _NO_FOLDER
            return {}
        folder = Path(self._folder.name)
        AuthorityFiles(folder).create(hosts, secrets.token_bytes(32), datetime.now(UTC))
        (folder / ROOT_KEY).unlink()  # nobody signs with it again
        key_file = folder / f"{self._consumer}.key"
        key_file.touch(mode=0o600)
        key_file.write_text(self._key)
        return {
            variable_of("ca.certificate"): str(folder / CERTIFICATE),
            variable_of("ca.key.file"): str(folder / KEY),
        }

    def text(self, url: str) -> str:
        """What is printed of it: a command that runs a program. `url` is the gateway's."""
        if self._folder is None:
            return self._missing
        folder = Path(self._folder.name)
        root, key_file = (shlex.quote(str(folder / name)) for name in ("root.pem", f"{self._consumer}.key"))
        return _TEXT.format(
            command=own_command(), url=url, root=root, key_file=key_file, consumer=self._consumer
        )
