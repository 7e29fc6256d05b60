"""Follows one reference to a value or a secret, and collects what is wrong with what it leads to.

Findings name the variable, the file or the place in a store, never what it holds.
"""

from collections.abc import Mapping
from pathlib import Path

from gateway.config.loading.stand_ins import stand_in
from gateway.config.problems import Finding, KeyPath
from gateway.config.schema.addresses import UrlForm
from gateway.config.schema.secret_values import RemoteSecret, Secret, SecretError, SecretRef, path_of, resolve
from gateway.config.schema.values import TextPattern


class ReferenceReader:
    """Of one configuration. `files` are those that were read, in order; `path` says where in the settings a
    reference stands. `static`: nothing is read, and stand-ins are given instead.
    """

    def __init__(
        self, environ: Mapping[str, str], base_dir: Path, ask: RemoteSecret, *, static: bool = False
    ) -> None:
        self.static = static
        self.environ = environ
        self.base_dir = base_dir
        self.findings: list[Finding] = []
        self.files: dict[Path, None] = {}
        self._ask = ask

    def refuse(self, path: KeyPath, message: str, hint: str) -> None:
        """Note that what `path` leads to cannot be used."""
        self.findings.append(Finding(path, message, hint))

    def secret(
        self, reference: SecretRef, path: KeyPath, wanted: TextPattern | UrlForm | None = None
    ) -> Secret | None:
        """The secret, or None if it cannot be read. `wanted` is the form of a stand-in; it is not checked."""
        if self.static:
            return stand_in(reference, wanted)
        if file := path_of(reference, self.base_dir):
            self.files[file] = None
        try:
            if reference.is_remote:
                return self._ask(reference)
            return resolve(reference, self.environ, self.base_dir)
        except SecretError as error:
            self.findings.append(Finding(path, error.message, error.hint, error.temporary))
            return None

    def text(self, given: str | SecretRef, pattern: TextPattern, path: KeyPath) -> str:
        """A value that is no secret, though it may come by reference; '' if that cannot be read.

        A value that is given in the settings was checked by the schema.
        """
        if isinstance(given, str):
            return given
        secret = self.secret(given, path, pattern)
        if secret is not None and not pattern.matches(secret.reveal()):
            self.refuse(path, f"the value of {given} is {pattern.message}", pattern.hint)
        return "" if secret is None else secret.reveal()

    def url(self, given: str | SecretRef | None, form: UrlForm, path: KeyPath) -> Secret | None:
        """A URL, which may hold a password; None if there is none or it cannot be read."""
        if given is None:
            return None
        if isinstance(given, str):
            return Secret(given, f"text:{'.'.join(map(str, path))}")
        secret = self.secret(given, path, form)
        if secret is not None and not form.matches(secret.reveal()):
            self.refuse(path, f"the value of {given} is {form.message}", form.hint)
            return None  # further problems are looked for without it
        return secret
