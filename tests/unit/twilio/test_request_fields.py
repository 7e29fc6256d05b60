"""Row B7: the header fields that go to Twilio, and the labels of those that do not."""

import ast
from pathlib import Path

import pytest

from gateway.http.header_fields import NEVER_SENT
from gateway.twilio.catalogue import generate
from gateway.twilio.catalogue.package_reader import _set_headers, read_requests
from gateway.twilio.request_fields import (
    DROPPED_FIELDS,
    DROPPED_PREFIXES,
    TWILIO_FIELDS,
    label_dropped,
    make_request_fields,
)

_WRITTEN_BY_US = {b"content-type", b"authorization", b"idempotency-key"}
_DOCUMENT = Path(__file__).parents[3] / "docs" / "security.md"


@pytest.mark.slow
@pytest.mark.sources
def test_b7_every_field_that_the_catalogue_declares_is_allowed() -> None:
    declared: set[bytes] = set()
    for request in read_requests(generate._find_package()):
        for node in ast.walk(request.function):
            if isinstance(node, ast.Assign):
                declared |= {name.lower().encode() for name in _set_headers(node)}
    assert len(declared) > 7
    assert declared - _WRITTEN_BY_US <= TWILIO_FIELDS
    assert not TWILIO_FIELDS & NEVER_SENT


def test_b7_settings_add_names_and_extra_hosts_keep_the_old_rule() -> None:
    fields = make_request_fields(["X-Mine"], ["Partner.example.com"])
    assert fields.allowed_for("api") == TWILIO_FIELDS | {b"x-mine"}
    assert fields.allowed_for("partner.example.com") is None


@pytest.mark.parametrize(
    ("name", "label"),
    [
        (b"b3", "b3"),
        (b"x-b3-traceid", "x-b3-*"),
        (b"x-envoy-attempt-count", "x-envoy-*"),
        (b"x-some-secret-name", "other"),
        (b"\xff", "other"),
    ],
)
def test_b7_labels_are_a_fixed_set(name: bytes, label: str) -> None:
    assert label_dropped(name) == label
    assert label in DROPPED_FIELDS | {f"{prefix}*" for prefix in DROPPED_PREFIXES} | {"other"}


def test_b7_the_list_is_documented() -> None:
    text = _DOCUMENT.read_text("utf-8").lower()
    for name in TWILIO_FIELDS:
        assert f"`{name.decode()}`" in text, name
