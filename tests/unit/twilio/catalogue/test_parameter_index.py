"""Names that an operation does not list: every class that a lenient reading could have."""

import pytest

from gateway.twilio.catalogue import Catalogue, ParameterClass
from gateway.twilio.catalogue.parameter_index import NO_INDEX

_C = ParameterClass


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("[From]", {_C.SENDER}),
        ("FROM_", {_C.SENDER}),
        ("\uff26rom", {_C.SENDER}),
        ("to.name", {_C.RECIPIENT}),
        ("address", {_C.SENDER, _C.RECIPIENT}),
        ("proxy_address", {_C.SENDER}),
        ("callback.href", {_C.CALLBACK}),
        ("SomeNewUrl", {_C.CALLBACK}),
        ("account.sid", {_C.ACCOUNT}),
        ("from.address", {_C.SENDER}),
        ("to.address", {_C.RECIPIENT}),
        ("Body", set()),
        ("Tomorrow", set()),
        ("", set()),
    ],
)
def test_b2_lenient_classes(catalogue: Catalogue, name: str, expected: set[ParameterClass]) -> None:
    assert catalogue.parameter_index.find_lenient(name) == expected


def test_exact_names_have_all_their_classes(catalogue: Catalogue) -> None:
    exact = catalogue.parameter_index.exact
    assert exact["Address"] == {_C.SENDER, _C.RECIPIENT}
    assert exact["Body"] == {_C.TEXT}
    assert "SinkConfiguration" in catalogue.parameter_index.checkable
    assert "Definition" not in catalogue.parameter_index.checkable


def test_an_index_without_names_still_sees_accounts_and_urls() -> None:
    assert NO_INDEX.find_lenient("AccountSid") == {_C.ACCOUNT}
    assert NO_INDEX.find_lenient("Url") == {_C.CALLBACK}
