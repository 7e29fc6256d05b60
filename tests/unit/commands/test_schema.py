"""`gateway schema`: both outputs; `config/schema/test_documentation.py` tests that they are right."""

import json
from pathlib import Path

import pytest

from gateway.__main__ import main


def test_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"credentials", "consumers"} <= schema["properties"].keys()


def test_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--markdown"]) == 0
    assert capsys.readouterr().out == (Path(__file__).parents[3] / "docs/configuration.md").read_text()
