"""Files that are not YAML as we want it, and what YAML offers: anchors, merges, several lines."""

import pytest
import yaml

from gateway.config.loading import yaml_document
from gateway.config.loading.load import load_settings
from gateway.config.loading.yaml_document import parse_document
from tests.unit.config.conftest import ENVIRON, GOOD, Write, cases, complaints

FILE = cases(
    ("empty", "", "gateway.yaml: credentials: missing; add `credentials: …`. Twilio accounts"),
    ("list", "- a\n", "gateway.yaml:1: the file is not a mapping; begin with names"),
    ("open", "a: [\n", "gateway.yaml:2: not YAML: "),
    ("unclosed", "a: [1, 2\nb: 3\n", "gateway.yaml:2: not YAML: "),
    ("d8_colons", "a: b: c\n", "gateway.yaml:1: not YAML: there is a second `: ` in this line; put text"),
    ("d8_star", "a: [*]\n", "gateway.yaml:1: not YAML: a value cannot begin with *; put it in quotes"),
    ("d8_star_after_dash", "a:\n- *\n", "gateway.yaml:2: not YAML: a value cannot begin with *; put it"),
    ("d8_odd_space", GOOD + "log:\n  \u00a0b: 1\n", "gateway.yaml:11: log.?b: has spaces of another kind"),
    ("d8_alias", "a: *base\n", "gateway.yaml:1: not YAML: the alias *base has no anchor &base; define"),
    ("d8_alias_secret", "a: *gw_0123456789abcdefghijkl\n", "gateway.yaml:1: not YAML: the alias *… has no"),
    ("d8_tab", "a:\n\tb: 1\n", "gateway.yaml:2: not YAML: a tab cannot indent YAML; use spaces"),
    ("d8_tab_deeper", "a: b\n  \tc: d\n", "gateway.yaml:2: not YAML: a tab cannot indent YAML; use spaces"),
    ("d8_tab_after_dash", "a:\n- \tb\n", "gateway.yaml:2: not YAML: a tab cannot indent YAML; use spaces"),
    ("d8_at", "a: @b\n", "gateway.yaml:1: not YAML: a value cannot begin with @; put it in quotes"),
    ("d8_anchor_twice", "a: &x 1\nb: &x 2\n", "gateway.yaml:2: not YAML: the anchor &x is defined twice"),
    ("deep_block", "- " * 3000 + "a", "gateway.yaml: not usable: it is nested too deeply"),
    ("documents", "a: 1\n--- \nb: 1\n", "gateway.yaml:2: not YAML: a second document begins here"),
    ("character", "a: \x01\n", "gateway.yaml: not YAML: it has a character that YAML does not admit"),
    ("endless", "a: &a [*a]\n", "gateway.yaml: not usable: it is nested too deeply"),
    ("deep", "a: " + "[" * 3000, "gateway.yaml: not usable: it is nested too deeply"),
    ("digits", GOOD + "listen: " + "9" * 5000, "gateway.yaml:10: listen: neither a number nor a date"),
    ("half_character", GOOD + 'upstream: {ca_file: "\\ud800"}', "gateway.yaml:10: "),
    ("bare", "credentials:\nconsumers: {}\n", "gateway.yaml:1: credentials: is empty"),
)  # fmt: skip


@pytest.fixture(params=["libyaml", "python"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two parsers: PyYAML may be built without libyaml."""
    if request.param == "python":
        monkeypatch.setattr(yaml_document, "_Loader", yaml.SafeLoader)


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(("text", "expected"), FILE)
def test_file(write: Write, text: str, expected: str) -> None:
    assert complaints(write(text))[0].startswith(expected)


def test_c13_libyaml_gives_the_same_values_and_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    content = GOOD.encode() + b"log: {level: info}\nlisten: &a >-\n  x\npublic_url: *a\n"
    with_libyaml = parse_document(content, "x")
    assert yaml_document._Loader is yaml.CSafeLoader
    monkeypatch.setattr(yaml_document, "_Loader", yaml.SafeLoader)
    assert parse_document(content, "x") == with_libyaml
    assert with_libyaml.lines["log", "level"] == 10


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
