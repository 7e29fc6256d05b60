"""Names as lenient readers could take them."""

import pytest

from gateway.http.parameter_names import is_ambiguous, looks_like_override, normal_name, read_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("From", "from"),
        ("FROM", "from"),
        ("From_", "from"),
        ("Status.Callback-Url", "statuscallbackurl"),
        ("\uff26rom", "from"),
        ("Me\u017fsagingServiceSid", "messagingservicesid"),
        ("Call\u0131d", "callid"),
        ("Fr\0om", "from"),
        ("", ""),
    ],
)
def test_normal_names(name: str, expected: str) -> None:
    assert normal_name(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("From", {"from"}),
        ("[From]", {"from"}),
        ("From[0]", {"from", "0", "from0"}),
        ("a[From][b]", {"a", "from", "b", "afromb"}),
        ("from.address", {"from", "address", "fromaddress"}),
        ("", set()),
    ],
)
def test_b2_every_reading_of_a_name(name: str, expected: set[str]) -> None:
    assert read_name(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("From", False), ("From[0]", False), ("a b-c_d.e", False), ("", False),
        ("Fr\nom", True), ("From\0", True), ("%46rom", True), ("From%zz", True), ("Fr\u00f6m", True),
        ("=?utf-8?q?From?=", True), ("\x7f", True),
    ],
)  # fmt: skip
def test_b2_names_that_two_readers_read_differently(name: str, expected: bool) -> None:
    assert is_ambiguous(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_method", True), ("_METHOD", True), ("%5Fmethod", True), (" _method ", True), ("_method[0]", True),
        (".method", True), ("-method-", True), ("_meth\0od", True), ("__method", True),
        ("_m\u00e9thod", False), ("method", False), ("HttpMethod", False), ("_method2", False), ("", False),
        ("StatusCallbackMethod", False), ("Voice.Method", False), ("[_method]", True), ("[x][_method]", True),
        ("\uff3fmethod", True),
        ("_\u017fmethod", False), ("_\uff4dethod", True), ("_met\u0302hod", True),
    ],
)  # fmt: skip
def test_look_alikes(name: str, expected: bool) -> None:
    assert looks_like_override(name) == expected
