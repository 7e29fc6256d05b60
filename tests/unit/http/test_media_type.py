"""Fields that decide how a body is judged: one reading, or none."""

import pytest

from gateway.http.media_type import read_parameters


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ("", {})),
        (" Text/HTML ", ("text/html", {})),
        ("a/b; charset=UTF-8", ("a/b", {"charset": "UTF-8"})),
        ("a/b;Charset=utf-8;", ("a/b", {"charset": "utf-8"})),
        ('a/b; charset="utf-8" ; q=1 ;; ', ("a/b", {"charset": "utf-8", "q": "1"})),
        ('m; boundary="a b;c,d=e"', ("m", {"boundary": "a b;c,d=e"})),
        ("m; boundary=----=_Part_1_2.3", ("m", {"boundary": "----=_Part_1_2.3"})),
        (
            'form-data; name="To"; filename="C:\\dir\\a.txt"',
            ("form-data", {"name": "To", "filename": "C:\\dir\\a.txt"}),
        ),
        ('form-data; name=""', ("form-data", {"name": ""})),
    ],
)
def test_one_reading(value: str, expected: tuple[str, dict[str, str]]) -> None:
    assert read_parameters(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "m; boundary=a; boundary=b",
        "m; boundary=a; Boundary=a",
        'm; boundary="a',
        "m; boundary=a b",
        "m; boundary =a",
        "m; boundary= a",
        "m; boundary",
        "m; =a",
        "m; boundary=",
        "m; boundary=a, m; boundary=b",
        'form-data; name="a\\"; filename="b"',
        'form-data; name="a\\\\"; filename="b"',
        'form-data; name="a"b',
        "form-data; name=a\\b",
    ],
)
def test_more_than_one_reading_is_none(value: str) -> None:
    assert read_parameters(value) is None
