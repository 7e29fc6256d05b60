"""All parameter names of the catalogue, for names that an operation does not list.

A name is found as it is written, or by a lenient reading of it (`http/parameter_names.py`).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.http.parameter_names import normal_name, read_name
from gateway.twilio.catalogue.parameter_table import ParameterClass

Classes = frozenset[ParameterClass]

_NONE: Final[Classes] = frozenset()
_HARMLESS: Final = frozenset({ParameterClass.TEXT, ParameterClass.NEITHER})
# Of `from.address` the first part says what it is.
_GENERIC: Final = frozenset({"address", "sid"})
_URL: Final = re.compile(r"(?:ur[il]s?|callbacks?|webhooks?|href|endpoint)$")


class ParameterIndex:
    """Immutable once built. `exact` maps each name to the classes that it has in some operation."""

    def __init__(self, names: Iterable[tuple[str, Classes]]) -> None:
        self.exact: Mapping[str, Classes] = dict(names)
        self.checkable = frozenset(name.partition(".")[0] for name in self.exact if "." in name)
        """Parameters with rows about the JSON document in their value."""
        self._normal: dict[str, Classes] = {}
        for name, classes in self.exact.items():
            risky = classes - _HARMLESS
            self._add(normal_name(name), risky)
            self._add(normal_name(name.rpartition(".")[2]), risky)

    def _add(self, name: str, classes: Classes) -> None:
        if name and classes:
            self._normal[name] = self._normal.get(name, _NONE) | classes

    def find_lenient(self, name: str) -> Classes:
        """Every class that matters to a rule, of every name that a lenient reader could take `name` for."""
        found: set[ParameterClass] = set()
        generic: set[ParameterClass] = set()
        for reading in read_name(name):
            (generic if reading in _GENERIC else found).update(self._normal.get(reading, _NONE))
            if "account" in reading:
                found.add(ParameterClass.ACCOUNT)
            if _URL.search(reading):
                found.add(ParameterClass.CALLBACK)
        return frozenset(found or generic)


NO_INDEX: Final = ParameterIndex(())
