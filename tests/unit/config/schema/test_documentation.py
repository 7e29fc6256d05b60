"""What we publish agrees with the schema: the reference, the JSON Schema, the two configurations."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema import ValidationError as JsonSchemaError

from gateway.config.loading.load import load_settings
from gateway.config.loading.resolve import load_resolved
from gateway.config.schema.consumer_settings import ConsumerSettings
from gateway.config.schema.documentation import editor_schema, json_schema, render_markdown
from gateway.config.schema.settings import Settings
from tests.unit.config.conftest import ACCOUNT_SID, DIGEST, KEY_SID

ROOT = Path(__file__).parents[4]
TWILIO = {"TWILIO_ACCOUNT_SID": ACCOUNT_SID, "TWILIO_API_KEY": KEY_SID, "TWILIO_API_SECRET": "s3cret"}


def test_the_reference_is_up_to_date() -> None:
    committed = (ROOT / "docs/configuration.md").read_text()
    assert committed == render_markdown(), "run: gateway schema --markdown > docs/configuration.md"


def test_the_references_links_lead_somewhere() -> None:
    text = render_markdown()
    headings = [
        re.sub(r"[^a-z0-9_-]", "", line.lower()) for line in text.splitlines() if line.startswith("## ")
    ]
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(headings)


def test_the_committed_schema_is_up_to_date() -> None:
    committed = json.loads((ROOT / "config/gateway.schema.json").read_text())
    assert committed == editor_schema(), "run: make docs"


@pytest.mark.parametrize("name", ["gateway", "quickstart", "traffic"])
def test_editors_find_nothing_wrong_with_what_we_ship(name: str) -> None:
    text = (ROOT / f"config/{name}.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=gateway.schema.json\n")
    Draft202012Validator(editor_schema()).validate(yaml.safe_load(text))


def test_editors_accept_files_that_include_and_inherit() -> None:
    validator = Draft202012Validator(editor_schema())
    validator.validate({"include": "consumers.d/*.yaml", "x-rates": [1]})
    validator.validate({"consumers": {"billing": {"groups": ["senders"]}}})
    with pytest.raises(JsonSchemaError):
        validator.validate({"consumers": {"billing": {"group": "senders"}}})


def test_every_name_is_described() -> None:
    for section in _sections(json_schema()):
        for name, value in section["properties"].items():
            assert value.get("description") or "$ref" in value, name
        assert section["additionalProperties"] is False


def test_the_json_schema_has_no_secret_and_no_python_in_it() -> None:
    text = str(json_schema())
    assert "load_settings" not in text
    assert not re.search(r"sha256:[0-9a-f]{64}", text)


@pytest.mark.parametrize(
    ("name", "environ"),
    [("gateway", {}), ("quickstart", {"QUICKSTART_KEY_SHA256": DIGEST})],
    ids=["gateway", "quickstart"],
)
def test_what_we_ship_works_without_a_warning(name: str, environ: dict[str, str]) -> None:
    resolved = load_resolved(ROOT / f"config/{name}.yaml", TWILIO | environ)
    assert resolved.warnings == ()


def test_what_the_example_has_commented_out_is_the_default(tmp_path: Path) -> None:
    """Every `# name: value` of the example, made live, changes nothing: names and defaults are these."""
    source = ROOT / "config/gateway.yaml"
    text = re.sub(r"(?m)^( *)# ( *[a-z0-9_]+:( |$))", r"\1\2", source.read_text())
    # These four are examples, not defaults.
    text = re.sub(r"(?m)^( *)(auth_token|subaccounts|form|limits):.*\n(?:\1(?:#|  ).*\n)*", "", text)
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    assert load_settings(path, TWILIO).settings == load_settings(source, TWILIO).settings
    assert set(Settings.model_fields) == set(re.findall(r"(?m)^([a-z_0-9]+):", text))
    consumer = text.partition("\n  billing:\n")[2].partition("\n\n")[0]
    shown = set(re.findall(r"(?m)^    ([a-z]+):", consumer))
    assert set(ConsumerSettings.model_fields) - shown == {"form", "limits"}


def _sections(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [schema, *schema["$defs"].values()]
