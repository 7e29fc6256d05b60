"""What each parameter of a request body can do, and in which operations it occurs.

`parameters.tsv` is generated: the parameters of every operation. `parameter_classes.tsv` is kept by hand: a
row for each name, with its class and the reason. A name may have a row of its own for a product, or for a
template; the narrowest row holds. Names of a JSON body are whole paths (`webhook.callback_url`); a row below
a form's parameter (`SinkConfiguration.destination`) is about the JSON document that its value holds.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

EVERYWHERE: Final = "*"


class ParameterClass(StrEnum):
    """What a parameter can do. `TEXT` is the only class whose values may hold a foreign account's SID."""

    SENDER = "sender"
    SERVICE = "service"  # a Messaging Service, which sends from its own pool
    RECIPIENT = "recipient"
    CALLBACK = "callback"  # a URL that Twilio reports to
    INSTRUCTIONS = "instructions"  # a URL whose answer tells Twilio what to do
    APPLICATION = "application"  # the SID of something that sends, calls or reports by its own settings
    TWIML = "twiml"
    DOCUMENT = "document"  # JSON that may hold any of these
    ACCOUNT = "account"
    TEXT = "text"
    NEITHER = "neither"


Parameters = Mapping[str, ParameterClass]
"""The parameters of one operation by their exact names."""

NO_PARAMETERS: Final[Parameters] = {}


class OperationParameters(NamedTuple):
    """The names of one operation's parameters, sorted."""

    method: str
    product: str
    template: str
    names: tuple[str, ...]


class ParameterClasses:
    """The rows of `parameter_classes.tsv`."""

    def __init__(self, text: str) -> None:
        self._rows: dict[str, dict[str, ParameterClass]] = {}
        self.reasons: dict[tuple[str, str], str] = {}
        """(name, scope) -> why it has its class."""
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            kind, name, scope, reason = line.split("\t")
            if (name, scope) in self.reasons:
                raise ValueError(f"parameter_classes.tsv: two rows for {name} {scope}")
            self.reasons[name, scope] = reason
            self._rows.setdefault(name, {})[scope] = ParameterClass(kind)

    def __iter__(self) -> Iterator[tuple[str, frozenset[ParameterClass]]]:
        """Every name with all classes that it has somewhere."""
        for name, scopes in self._rows.items():
            yield name, frozenset(scopes.values())

    def find(self, product: str, template: str, name: str) -> ParameterClass | None:
        """The class by the narrowest row, None if the name is not classified."""
        scopes = self._rows.get(name)
        if scopes is None:
            return None
        return scopes.get(f"{product} {template}") or scopes.get(product) or scopes.get(EVERYWHERE)


class ParameterTable:
    """Both files, joined."""

    def __init__(self, classes: ParameterClasses, operations: Iterable[OperationParameters]) -> None:
        self.classes = classes
        self._operations = {operation[:3]: _classify(classes, operation) for operation in operations}

    def of(self, method: str, product: str, template: str) -> Parameters:
        """The parameters of an operation; none for one that has no body or is not listed."""
        return self._operations.get((method, product, template), NO_PARAMETERS)


def _classify(classes: ParameterClasses, operation: OperationParameters) -> Parameters:
    found: dict[str, ParameterClass] = {}
    for name in operation.names:
        kind = classes.find(operation.product, operation.template, name)
        if kind is None:
            place = f"{operation.method} {operation.product} {operation.template}"
            raise ValueError(f"parameter_classes.tsv: no row for {name} of {place}")
        found[name] = kind
    return found


def render_operations(operations: Iterable[OperationParameters], version: str, command: str) -> str:
    """The text of `parameters.tsv`, sorted by product, template and method."""
    head = [
        f"# twilio {version}",
        f"# Generated; do not edit. Regenerate with: {command}",
        "# method\tproduct\ttemplate\tparameters",
    ]
    ordered = sorted(operations, key=lambda each: (each.product, each.template, each.method))
    rows = ("\t".join((each.method, each.product, each.template, " ".join(each.names))) for each in ordered)
    return "\n".join([*head, *rows, ""])


def parse_operations(text: str) -> Iterator[OperationParameters]:
    """The rows of a file that `render_operations` wrote."""
    for line in text.splitlines():
        if not line.startswith("#"):
            method, product, template, names = line.split("\t")
            yield OperationParameters(method, product, template, tuple(names.split(" ")))
