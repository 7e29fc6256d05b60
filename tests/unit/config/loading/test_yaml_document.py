"""Files that are not YAML as we want it, and what YAML offers: anchors, merges, several lines."""

import pytest

from gateway.config.loading.load import load_settings
from tests.unit.config.conftest import ENVIRON, GOOD, Write, cases, complaints

FILE = cases(
    ("empty", "", "gateway.yaml: credentials: missing; add `credentials: …`. Twilio accounts"),
    ("list", "- a\n", "gateway.yaml:1: the file is not a mapping; begin with names"),
    ("open", "a: [\n", "gateway.yaml:2: not YAML: expected the node content, but found '<stream end>'"),
    ("unclosed", "a: [1, 2\nb: 3\n", "gateway.yaml:2: not YAML: expected ',' or ']', but got ':'"),
    ("colons", "a: b: c\n", "gateway.yaml:1: not YAML: mapping values are not allowed here"),
    ("alias", "a: *hidden\n", "gateway.yaml:1: not YAML: found undefined alias something"),
    ("documents", "a: 1\n--- \nb: 1\n", "gateway.yaml:2: not YAML: but found another document"),
    ("character", "a: \x01\n", "gateway.yaml: not YAML: it has a character that YAML does not admit"),
    ("endless", "a: &a [*a]\n", "gateway.yaml: not usable: it is nested too deeply"),
    ("deep", "a: " + "[" * 3000, "gateway.yaml: not usable: it is nested too deeply"),
    ("digits", GOOD + "listen: " + "9" * 5000, "gateway.yaml:10: listen: neither a number nor a date"),
    ("half_character", GOOD + 'upstream: {ca_file: "\\ud800"}', "gateway.yaml:10: upstream.ca_file: empty"),
    ("bare", "credentials:\nconsumers: {}\n", "gateway.yaml:1: credentials: is empty"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FILE)
def test_file(write: Write, text: str, expected: str) -> None:
    assert complaints(write(text))[0].startswith(expected)


def test_anchors_and_merges(write: Write) -> None:
    consumers = f"""\
  mail: &mail
    keys: ["sha256:{"01" * 32}"]
    credential: main
    allow: &rules [everything]
  fax: &fax
    <<: *mail
    keys: ["sha256:{"02" * 32}"]
  post:
    <<: *fax
    keys: ["sha256:{"03" * 32}"]
    allow: *rules
  wire: *fax
"""
    loaded = load_settings(write(GOOD + consumers), ENVIRON)
    assert [(name, len(each.allow)) for name, each in loaded.settings.consumers.items()] == [
        ("billing", 1), ("mail", 1), ("fax", 1), ("post", 1), ("wire", 1),
    ]  # fmt: skip
    assert loaded.settings.consumers["post"].keys == ("sha256:" + "03" * 32,)


def test_an_error_in_an_anchor_points_to_where_it_is_written(write: Write) -> None:
    text = GOOD.replace("allow: [everything]", "form: &form {to: [us]}") + "  mail:\n    form: *form\n"
    assert [line.split(": ")[0] for line in complaints(write(text)) if "prefix" in line] == [
        "gateway.yaml:9"
    ] * 2
