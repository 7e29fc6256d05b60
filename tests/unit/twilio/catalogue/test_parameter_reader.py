"""Reading the parameters of bodies: forms, JSON models inside models, shapes that must not be guessed at."""

from pathlib import Path

import pytest

from gateway.twilio.catalogue.package_reader import UnexpectedSource
from gateway.twilio.catalogue.parameter_reader import Parameter, read_parameters
from tests.unit.twilio.catalogue.test_package_reader import TEMPLATE, make_package

_MODELS = """
class CupList(ListResource):
    class Handle(object):
        def __init__(self, payload):
            self.side: Optional[str] = payload.get("side")
            self.inner: Optional[CupList.Handle] = payload.get("inner")

        def to_dict(self):
            return {"side": self.side, "inner": self.inner.to_dict() if self.inner is not None else None}

    class Order(object):
        def __init__(self, payload):
            self.sugar: Optional[int] = payload.get("sugar")
            self.handles: Optional[List[CupList.Handle]] = payload.get("handles")

        def to_dict(self):
            return {
                "sugar": self.sugar,
                "handles": [handle.to_dict() for handle in self.handles],
            }

    def __init__(self, version):
        self._uri = "/Cups"

    def _create(self, order: Union[Order, object] = values.unset):
        data = order.to_dict()
        headers = values.of({"Content-Type": "application/json"})
        return self._version.create(method="POST", uri=self._uri, data=data, headers=headers)

    def _replace(self, body: Union[object, object] = values.unset):
        data = body.to_dict()
        headers = values.of({"Content-Type": "application/json"})
        return self._version.update(method="PUT", uri=self._uri, data=data, headers=headers)
"""


def test_forms_and_models(tmp_path: Path) -> None:
    found = list(read_parameters(make_package(tmp_path, more=_MODELS)))
    cups = ("tea-house", "/v1/Cups")
    assert found == [
        Parameter("POST", "tea-house", TEMPLATE, "Milk", ""),
        Parameter("POST", "tea-house", TEMPLATE, "Authorization", ""),
        Parameter("POST", *cups, "sugar", "Optional[int]"),
        Parameter("POST", *cups, "handles.side", "Optional[str]"),
        Parameter("POST", *cups, "handles.inner", "Optional[CupList.Handle]"),
        Parameter("PUT", *cups, "*", "Union[object, object]"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("data = order.to_dict()", "data = make(order)", "whose body is computed"),
        ("data = order.to_dict()", "data = values.of({order: 1})", "whose name is computed"),
        ("data = order.to_dict()", "data = values.of(order)", "whose parameters are computed"),
        ('"sugar": self.sugar', "name: self.sugar", "a name that is computed"),
        ('return {"side"', 'return dict(a=1) or {"side"', "does not return a dictionary"),
    ],
)
def test_what_must_not_be_guessed_at(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in _MODELS
    with pytest.raises(UnexpectedSource, match=problem):
        list(read_parameters(make_package(tmp_path, more=_MODELS.replace(old, new))))
