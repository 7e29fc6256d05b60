"""The configuration's reference, made of the schema: JSON Schema for editors, Markdown for people.

Everything said here about a name is its description in the schema; a test keeps `docs/configuration.md` the
same.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from gateway.config.schema.settings import Settings
from gateway.consumers.allow_rules import NAMED_SETS

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_HEAD: Final = """\
# Configuration

<!-- Made by `gateway schema --markdown > docs/configuration.md`, of the descriptions in gateway/config. -->

The gateway reads one YAML file, by default `config/gateway.yaml`. `gateway check` says everything that is
wrong with it, each with its line and what to write instead; an unknown name is an error. `gateway schema`
prints the JSON Schema of the file, for editors. [config/gateway.yaml](../config/gateway.yaml) is an annotated
example.

**Secrets** are never in the file. Where a secret is needed, write a [reference](#references) to its place.
SIDs, and URLs that hold a password, may be given that way too.

**Environment variables** override the file: `GATEWAY__ADMIN__LISTEN=127.0.0.1:9191` sets `admin.listen`. A
double underscore separates names, in upper or lower case. Lists and mappings are JSON:
`GATEWAY__CONSUMERS__BILLING__ALLOW='["messages:send"]'`; `null` is nothing. A value replaces all that the
file has at that name. An unknown name is an error; names with a single underscore (`GATEWAY_PORT`) are not
read.

**Reloads** apply a setting to the next request, or the next connection; a setting marked *Restart.* waits
for a restart.

## References

| write | the secret is in |
|---|---|
| `{env: NAME}` | an environment variable |
| `{file: PATH}` | a file, such as a Docker or Kubernetes secret |
| `{vault: PATH#KEY}` | HashiCorp Vault, key/value version 2; the path is without mount and `data/` |
| `{aws: NAME}`, `{aws: NAME#KEY}` | AWS Secrets Manager, by name or ARN; `#KEY` takes one value of JSON |
| `{gcp: NAME}`, `{gcp: NAME#KEY}` | Google Secret Manager, also `projects/PROJECT/secrets/NAME/versions/3` |

A relative path starts at the configuration file's folder. One line break at the end is dropped. The last
three need their section of [`secret_stores`](#secret_stores); how to set them up is in
[operations.md](operations.md#secret-stores).
"""

_RULES: Final = """
## Rules of `allow`

A rule is `METHOD product path`: `GET api /2010-04-01/Accounts/{AccountSid}/Messages`. In the path, `{Name}`
and `*` stand for one segment, `**` at any place for any number of segments; method and product may be `*`.
HEAD is allowed where GET is. A set is the name of several rules:

| set | rules |
|---|---|
"""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the configuration file."""
    schema = Settings.model_json_schema()
    # pydantic describes the schema by the class's docstring, which speaks to programmers.
    return {
        "$schema": _DIALECT,
        **schema,
        "title": "twilio-gateway",
        "description": "The configuration file.",
    }


def editor_schema() -> dict[str, Any]:
    """The JSON Schema for editors: of files before what they include, and what groups have, is added."""
    schema = json_schema()
    elsewhere = {"consumers", "credentials"}
    required = [name for name in schema.pop("required", []) if name not in elsewhere]
    consumer = schema["$defs"]["ConsumerSettings"]
    consumer["required"] = [name for name in consumer.get("required", []) if name != "credential"]
    for each, names in ((schema, required), (consumer, consumer.pop("required"))):
        if names:
            each["required"] = names
    for name in elsewhere:
        schema["properties"][name].pop("minProperties", None)
    return {**schema, "patternProperties": {"^x-": {"description": "Ignored: a place for anchors."}}}


def render_markdown() -> str:
    """The text of `docs/configuration.md`."""
    return _Reference(json_schema()).render()


class _Reference:
    """Walks the schema once, giving every section its own table."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._titles: dict[str, str] = {}
        """Definition -> the title of its section: the first place where it may stand."""

    def render(self) -> str:
        sections = list(self._sections(self._schema, ""))
        text = [_HEAD, "\n## Top level\n\n", self._table(self._schema)]
        for title, section in sections:
            text += [f"\n## `{title}`\n\n", _one_line(section["description"]), "\n\n", self._table(section)]
        rules = (
            f"| `{name}` | {', '.join(f'`{rule}`' for rule in rules)} |\n"
            for name, rules in NAMED_SETS.items()
        )
        return "".join([*text, _RULES, *rules])

    def _sections(self, section: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The sections beneath this one, depth first, each once."""
        for name, value in section["properties"].items():
            for suffix, definition in self._references(value):
                if definition not in _REFERENCES and definition not in self._titles:
                    title = self._titles[definition] = f"{path}{name}{suffix}"
                    inner = self._schema["$defs"][definition]
                    yield title, inner
                    yield from self._sections(inner, f"{title}.")

    def _references(self, value: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """(what stands between the name and the section, the section's definition) of each section a value
        may be."""
        if reference := value.get("$ref"):
            yield "", _definition(reference)
        for choice in _choices(value):
            yield from self._references(choice)
        if "items" in value:
            yield from ((f"[]{suffix}", found) for suffix, found in self._references(value["items"]))
        for inner in value.get("patternProperties", {}).values():
            yield from ((f".<name>{suffix}", found) for suffix, found in self._references(inner))

    def _table(self, section: dict[str, Any]) -> str:
        required = section.get("required", ())
        rows = ["| name | value | default | meaning |\n", "|---|---|---|---|\n"]
        for name, value in section["properties"].items():
            default = "required" if name in required else self._default(value)
            meaning = self._meaning(value).replace("|", "\\|")
            if value.get("restart"):
                meaning += " *Restart.*"
            rows.append(f"| `{name}` | {self._value(value)} | {default} | {meaning} |\n")
        return "".join(rows)

    def _meaning(self, value: dict[str, Any]) -> str:
        """A section's field needs no description of its own: it means what the section does."""
        if "description" not in value:
            value = self._schema["$defs"][_definition(value["$ref"])]
        return _one_line(value["description"])

    def _default(self, value: dict[str, Any]) -> str:
        default = value.get("default", ...)
        if default is ...:
            return ""
        return f"`{default if isinstance(default, str) else json.dumps(default)}`"

    def _value(self, value: dict[str, Any]) -> str:
        """What may stand there, in words."""
        if reference := value.get("$ref"):
            return self._link(_definition(reference))
        if choices := _choices(value):
            return " or ".join(self._value(choice) for choice in choices if choice.get("type") != "null")
        if "enum" in value:
            return ", ".join(f"`{choice}`" for choice in value["enum"])
        if value.get("type") == "array":
            return f"list: {self._value(value['items'])}"
        if inner := list(value.get("patternProperties", {}).values()):
            return f"by name: {self._value(inner[0])}"
        if value.get("format") == "date-time":
            return "date and time"
        return _SIMPLE[value["type"]] + _range(value)

    def _link(self, definition: str) -> str:
        if definition in _REFERENCES:
            return _REFERENCES[definition]
        title = self._titles[definition]
        return f"[`{title}`](#{re.sub(r'[^a-z0-9_-]', '', title.lower())})"


_REFERENCES: Final = {
    "SecretRef": "[reference](#references)",
    "LocalRef": "`{env: NAME}` or `{file: PATH}`",
}
_SIMPLE: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true`, `false`",
}


def _choices(value: dict[str, Any]) -> list[dict[str, Any]]:
    return value.get("anyOf") or value.get("oneOf") or []


def _definition(reference: str) -> str:
    return reference.rpartition("/")[2]


def _range(value: dict[str, Any]) -> str:
    if "maximum" not in value:
        return ""
    lowest = value.get("minimum", f"above {value.get('exclusiveMinimum')}")
    return f", {lowest} to {value['maximum']}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
