"""Reading the package: a small one that has its shapes, and the shapes that must not be guessed at."""

from pathlib import Path

import pytest

from gateway.twilio.catalogue.package_reader import UnexpectedSource, read_operations
from gateway.twilio.catalogue.route import BodyKind
from gateway.twilio.catalogue.route_table import Row

BASE = 'class TeaBase(Domain):\n    def __init__(self, twilio):\n        super().__init__(twilio, "{url}")\n'
VERSION = 'class V1(Version):\n    def __init__(self, domain):\n        super().__init__(domain, "v1")\n'
RESOURCE = """
class CupContext(InstanceContext):
    def __init__(self, version, pot_sid, id_or_name):
        super().__init__(version)
        self._uri = "/Pots/{{pot_sid}}/Cups/{{id_or_name}}.json".format(**self._solution)

    def _update(self, milk, idempotency_key=values.unset):
        data = values.of({{"Milk": milk, "Authorization": "not a header"}})
        headers = values.of({{"Idempotency-Key": idempotency_key, "Content-Type": "{first}"}})
        if milk:
            headers["X-Other"] = milk
        headers["Content-Type"] = "{second}"
        return self._version.update_with_response_info(method="POST", uri={uri}, data=data, headers=headers)

    async def _update_async(self):
        return await self._version.update_with_response_info_async(method="PURR", uri=self._uri)

    def _delete(self, authorization):
        headers = values.of({{}})
        headers["Authorization"] = authorization
        return self._version.delete_with_response_info(method="DELETE", uri=self._uri, headers=headers)

    def stream(self):
        return self._version.stream(page, limits["limit"])
"""
FORM = "application/x-www-form-urlencoded"
TEMPLATE = "/v1/Pots/{PotSid}/Cups/{IdOrName}"


def make_package(
    directory: Path,
    *,
    url: str = "https://tea-house.twilio.com",
    first: str = FORM,
    second: str = FORM,
    uri: str = "self._uri",
    more: str = "",
    version: str = VERSION,
) -> Path:
    resource = directory / "rest" / "tea_house" / "v1" / "pot" / "cup.py"
    resource.parent.mkdir(parents=True)
    resource.write_text(RESOURCE.format(first=first, second=second, uri=uri) + more)
    (resource.parent / "__init__.py").touch()
    (resource.parents[1] / "__init__.py").write_text(version)
    (resource.parents[2] / "__init__.py").touch()
    (resource.parents[2] / "TeaHouseBase.py").write_text(BASE.format(url=url))
    return directory


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (FORM, FORM, BodyKind.FORM),
        (FORM, "application/json", BodyKind.JSON),
        (FORM, "application/scim+json", BodyKind.JSON),
        ("application/json", "multipart/form-data", BodyKind.FORM),
    ],
)
def test_what_is_read(tmp_path: Path, first: str, second: str, kind: BodyKind) -> None:
    assert list(read_operations(make_package(tmp_path, first=first, second=second))) == [
        Row("POST", "tea-house", TEMPLATE, kind, frozenset({"idempotency-key"})),
        Row("DELETE", "tea-house", TEMPLATE, None, frozenset({"authorization"})),
    ]


def test_a_post_of_nothing_is_a_form(tmp_path: Path) -> None:
    more = (
        "class BagList(ListResource):\n"
        '    def __init__(self):\n        self._uri = "/Bags"\n'
        "    def _create(self):\n"
        '        return self._version.create_with_response_info(method="POST", uri=self._uri)\n'
    )
    rows = list(read_operations(make_package(tmp_path, more=more)))
    assert rows[-1] == Row("POST", "tea-house", "/v1/Bags", BodyKind.FORM, frozenset())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"url": "https://tea.example.com"}, "the base URL is not"),
        ({"version": VERSION + VERSION}, "expected one super"),
        ({"version": ""}, "expected one super"),
        ({"second": "text/csv"}, "unknown Content-Type: text/csv"),
        ({"uri": "self._uri + name"}, "a request whose method or URI is computed"),
        (
            {
                "more": "class A:\n    def f(self):\n"
                '        return self._version.page(method="GET", uri=self._uri)\n'
            },
            "A sets 0 URIs",
        ),
        (
            {
                "more": "class A:\n    def f(self):\n        self._uri = '/a' + b\n"
                '        return self._version.page(method="GET", uri=self._uri)\n'
            },
            "an unreadable URI: '/a' \\+ b",
        ),
        (
            {
                "more": "class A:\n    def f(self):\n        self._uri = '/a/x{b}'.format(b=b)\n"
                '        return self._version.page(method="GET", uri=self._uri)\n'
            },
            "an unreadable URI",
        ),
    ],
)
def test_what_is_not_understood_is_an_error(tmp_path: Path, change: dict[str, str], problem: str) -> None:
    package = make_package(tmp_path, **change)
    with pytest.raises(UnexpectedSource, match=problem):
        list(read_operations(package))
