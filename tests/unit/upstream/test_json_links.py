"""Byte splices in answers: link fields led back, tokens made null, and every other byte as it was."""

import json

import pytest

from gateway.upstream.json_links import (
    conceal_tokens,
    is_link,
    product_of,
    rewrite_link_field,
    rewrite_links,
    rewrite_location,
    scan_strings,
)
from tests.support.judging import HOSTS

_BASE = "http://gw:8080"


def _origin(product: str, host: str) -> str:
    return f"{_BASE}/{product}"


def _rewritten(text: str) -> str:
    return rewrite_links(text.encode(), HOSTS, _origin).decode()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('{"url": "https://verify.twilio.com/v2/Services/VA1"}', '{"url": "http://gw:8080/verify/v2/Services/VA1"}'),
        ('{"url":"http://verify.twilio.com:443/v2?a=b"}', '{"url":"http://gw:8080/verify/v2?a=b"}'),
        ('{"url":"https://verify.twilio.com"}', '{"url":"http://gw:8080/verify"}'),
        ('{"url":"https://verify.twilio.com?a"}', '{"url":"http://gw:8080/verify?a"}'),
        ('{"url": "https:\\/\\/verify.twilio.com\\/v2"}', '{"url": "http:\\/\\/gw:8080\\/verify\\/v2"}'),
        ('{"url":"https://api.dublin.ie1.twilio.com/2010-04-01/A"}', '{"url":"http://gw:8080/api/2010-04-01/A"}'),
        ('{"url":"https://mcs.us1.twilio.com/v1/M"}', '{"url":"http://gw:8080/mcs/v1/M"}'),
        ('{"links": {"a": "https://sync.twilio.com/v1", "b": null}}',
         '{"links": {"a": "http://gw:8080/sync/v1", "b": null}}'),
        ('{"meta":{"next_page_url":"https://sync.twilio.com/v1?PageToken=x","url":"https://sync.twilio.com/v1"}}',
         '{"meta":{"next_page_url":"http://gw:8080/sync/v1?PageToken=x","url":"http://gw:8080/sync/v1"}}'),
        ('{"services":[{"url":"https://sync.twilio.com/v1/a","links":{"c":"https://sync.twilio.com/c"}},1]}',
         '{"services":[{"url":"http://gw:8080/sync/v1/a","links":{"c":"http://gw:8080/sync/c"}},1]}'),
        ('{"links": ["https://sync.twilio.com/v1"]}', '{"links": ["http://gw:8080/sync/v1"]}'),
        ('{"\\u0075rl":"https://sync.twilio.com/v1"}', '{"\\u0075rl":"http://gw:8080/sync/v1"}'),
        ('{"media_url":"https://api.twilio.com/a"}', '{"media_url":"http://gw:8080/api/a"}'),
        ('{"a":[{"media_url":"https://api.twilio.com/a"}]}', '{"a":[{"media_url":"http://gw:8080/api/a"}]}'),
        ('{"url": "https://verify.twilio.com:8443/"}', '{"url": "http://gw:8080/verify/"}'),
        ('{"url": "https://user@verify.twilio.com/"}', '{"url": "http://gw:8080/verify/"}'),
        ('{"url": "HTTPS://VERIFY.twilio.com./v2"}', '{"url": "http://gw:8080/verify/v2"}'),
        ('{"url": "//verify.twilio.com/v2"}', '{"url": "http://gw:8080/verify/v2"}'),
        ('{"url": "\\u0068ttps:\\u002f/verify.twilio.com/v2"}', '{"url": "http://gw:8080/verify/v2"}'),
    ],
)  # fmt: skip
def test_links_lead_back_through_us(given: str, expected: str) -> None:
    assert _rewritten(given) == expected
    json.loads(expected)


@pytest.mark.parametrize(
    "text",
    [
        '{"body": "see https://verify.twilio.com/v2"}',
        '{"body": "https://verify.twilio.com/v2", "webhook_url": "https://api.twilio.com/x"}',
        '{"data": {"url": "https://verify.twilio.com/v2"}}',
        '{"data": {"links": {"a": "https://verify.twilio.com/v2"}}}',
        '{"data": {"meta": {"url": "https://verify.twilio.com/v2"}}}',
        '{"items": [{"data": {"url": "https://verify.twilio.com/v2"}}]}',
        '{"items": [[{"url": "https://verify.twilio.com/v2"}]]}',
        '[{"url": "https://verify.twilio.com/v2"}]',
        '{"url": ["https://verify.twilio.com/v2"]}',
        '{"links": {"a": {"b": "https://verify.twilio.com/v2"}}}',
        '{"meta": {"key": "https://verify.twilio.com/v2"}}',
        '{"url": "https://unknown.twilio.com/v2"}',
        '{"url": "https://verify.twilio.com.evil.example/v2"}',
        '{"url": "https://verify.twilio.community/v2"}',
        '{"url": "https://evil.example/https://verify.twilio.com/"}',
        '{"url": "https://a.b.c.verify.twilio.com/"}',
        '{"url": "verify.twilio.com/v2"}',
        '{"url": "https://xverify.twilio.com/v2", "links": {"a": "https://media.twiliocdn.com/a\\u002f"}}',
        '{"data": {"media_url": "https://api.twilio.com/a"}}',
        '{"url": "/v2", "x": ".twilio.com"}',
        '{"a": "\\"url\\": \\"https://verify.twilio.com/v2\\""}',
        '{"x": "a, b: {c}", "n": [1, -2.5e3, true, null, "\\\\"], "e": {}, "l": []}  .twilio.com',
        '"https://verify.twilio.com/v2"',
        '{"url": "https://verify.twilio.com/v2',
        "}}]] .twilio.com",
        "",
    ],
)
def test_everything_else_is_untouched(text: str) -> None:
    assert _rewritten(text) == text


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://verify.twilio.com/v2/A?b=c", "http://gw:8080/verify/v2/A?b=c"),
        ("http://api.dublin.ie1.twilio.com:443/2010-04-01/A", "http://gw:8080/api/2010-04-01/A"),
        ("https://verify.twilio.com", "http://gw:8080/verify"),
        ("/v2/Services/VA1", "http://gw:8080/sync/v2/Services/VA1"),
        ("https://media.twiliocdn.com/a", "https://media.twiliocdn.com/a"),
        ("https://unknown.twilio.com/a", "https://unknown.twilio.com/a"),
        ("https://verify.twilio.com.evil.example/a", "https://verify.twilio.com.evil.example/a"),
        ("https://verify.twilio.com:8443/a", "http://gw:8080/verify/a"),
        ("https://verify.twilio.com\t/a%20b", "http://gw:8080/verify/a%20b"),
        ("ht\ttps://\tverify.twilio.com/a", "http://gw:8080/verify/a"),
        ("https://verify%2Etwilio.com/a%2fb?c=%41", "http://gw:8080/verify/a%2fb?c=%41"),
        ("//%76erify.twilio.com/a", "http://gw:8080/verify/a"),
        ("https://us%40er@verify.twilio%2ecom?a=b", "http://gw:8080/verify?a=b"),
        ("https://evil.example/\t%76erify.twilio.com", "https://evil.example/\t%76erify.twilio.com"),
        ("https://evil%2Eexample/a", "https://evil%2Eexample/a"),
        ("https://verify.twilio.com:/a", "http://gw:8080/verify/a"),
        ("https://verify.twilio.com./a", "http://gw:8080/verify/a"),
        ("//verify.twilio.com.:443/a", "http://gw:8080/verify/a"),
        ("https://verify.twilio.com#a", "http://gw:8080/verify#a"),
        ("https://user:pass@verify.twilio.com/a", "http://gw:8080/verify/a"),
        ("https:\\\\verify.twilio.com/a", "http://gw:8080/verify/a"),
        ("/\\verify.twilio.com/a", "http://gw:8080/verify/a"),
        ("https:///verify.twilio.com/a", "http://gw:8080/verify/a"),
        ("https:verify.twilio.com/a", "http://gw:8080/verify/a"),
        ("https://verify.twilio.com@evil.example/a", "https://verify.twilio.com@evil.example/a"),
        ("https://evil.example/@verify.twilio.com/a", "https://evil.example/@verify.twilio.com/a"),
        ("ftp://verify.twilio.com/a", "ftp://verify.twilio.com/a"),
        ("//evil.example/a", "//evil.example/a"),
        ("relative", "relative"),
        ("", ""),
    ],
)
def test_a10_location(location: str, expected: str) -> None:
    assert rewrite_location(location, HOSTS, _origin, "/sync") == expected


def test_a10_link_fields() -> None:
    given = '<https://verify.twilio.com/a?b=1>; rel="next", </v2>; rel=up, <https://evil.example>'
    expected = (
        '<http://gw:8080/verify/a?b=1>; rel="next", <http://gw:8080/sync/v2>; rel=up, <https://evil.example>'
    )
    assert rewrite_link_field(given, HOSTS, _origin, "/sync") == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('{"sid": "AC1", "auth_token": "secret", "n": 1}', '{"sid": "AC1", "auth_token": null, "n": 1}'),
        ('{"accounts": [{"auth_token": "a"}, {"auth_token":"b"}]}',
         '{"accounts": [{"auth_token": null}, {"auth_token":null}]}'),
        ('{"secondary_auth_token": "s\\"x"}', '{"secondary_auth_token": null}'),
        ('{"auth\\u005ftoken": "secret"}', '{"auth\\u005ftoken": null}'),
        ('{"auth_token": {"value": "secret"}}', '{"auth_token": {"value": null}}'),
        ('{"auth_token": ["a", "b"]}', '{"auth_token": [null, null]}'),
        ('{"auth_token": null, "a": "auth_token"}', '{"auth_token": null, "a": "auth_token"}'),
        ('{"a": "\\"auth_token\\": \\"x\\""}', '{"a": "\\"auth_token\\": \\"x\\""}'),
        ('{"my_auth_token": "x"}', '{"my_auth_token": "x"}'),
    ],
)  # fmt: skip
def test_tokens_are_made_null(given: str, expected: str) -> None:
    assert conceal_tokens(given.encode(), is_xml=False).decode() == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("<Account><AuthToken>secret</AuthToken></Account>", "<Account><AuthToken></AuthToken></Account>"),
        (
            "<AuthToken>a</AuthToken><AuthToken>b</AuthToken>",
            "<AuthToken></AuthToken><AuthToken></AuthToken>",
        ),
        ("<AuthToken><![CDATA[secret]]></AuthToken >", "<AuthToken></AuthToken >"),
        ('<AuthToken a="b">\nsecret\n</AuthToken>', '<AuthToken a="b"></AuthToken>'),
        ("<SecondaryAuthToken>s</SecondaryAuthToken>", "<SecondaryAuthToken></SecondaryAuthToken>"),
        ("<AuthToken/><Sid>AC1</Sid>", "<AuthToken/><Sid>AC1</Sid>"),
        ("<AuthTokens>x</AuthTokens>", "<AuthTokens>x</AuthTokens>"),
    ],
)
def test_tokens_in_xml_are_emptied(given: str, expected: str) -> None:
    assert conceal_tokens(given.encode(), is_xml=True).decode() == expected


def test_the_scanner_says_where_a_string_stands() -> None:
    body = b'{"a": ["x", {"b": "y"}], "c": "z"}'
    assert [(value.path, body[value.start : value.end]) for value in scan_strings(body)] == [
        ((b"a", None), b'"x"'),
        ((b"a", None, b"b"), b'"y"'),
        ((b"c",), b'"z"'),
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((b"url",), True),
        ((b"links", b"a"), True),
        ((b"statusUrl",), True),
        ((b"operations", None, b"resultUrl"), True),
        ((b"events", None, b"resource_url"), True),
        ((b"callback_url",), False),
        ((b"webhookUrl",), False),
        ((b"types", b"twilio/media", b"media_url"), False),
        ((b"meta", b"next_page_url"), True),
        ((b"items", None, b"url"), True),
        ((b"items", None, b"links", b"a"), True),
        ((b"meta", None), False),
        ((b"links",), False),
        ((b"a", b"url"), False),
        ((None, b"url"), False),
        ((), False),
    ],
)
def test_a10_what_is_a_link_field(path: tuple[bytes | None, ...], expected: bool) -> None:
    assert is_link(path) == expected


@pytest.mark.parametrize(
    ("host", "product"),
    [
        ("api.twilio.com", "api"),
        ("verify.dublin.ie1.twilio.com", "verify"),
        ("mcs.us1.twilio.com", "mcs"),
        ("partner.example.com", "partner.example.com"),
        ("unknown.twilio.com", ""),
        ("api.example.com", ""),
    ],
)
def test_products_of_hosts(host: str, product: str) -> None:
    assert product_of(HOSTS, host) == product
