"""D7: `gateway init` writes a file that works once its variables are set, and overwrites none."""

import re
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.config.loading.resolve import load_static
from gateway.config.schema.values import digest_line


def test_d7_the_file_is_good_and_knows_the_key_that_was_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "etc" / "gateway.yaml"
    assert main(["init", str(path)]) == 0
    said = capsys.readouterr().out
    (key,) = re.findall(r"\bgw[A-Za-z0-9]{43}\b", said)
    assert f"gateway serve --config {path}" in said
    text = path.read_text()
    assert digest_line(key) in text
    assert key not in text
    assert f"gateway check --config {path}\n" in text
    assert "config/gateway.yaml" not in text, "the file names itself"
    assert text.count("#") > 50, "it is annotated"
    resolved = load_static(path, {})
    assert [each.digest for each in resolved.consumers["billing"].keys] == [digest_line(key)[7:]]


def test_d7_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("mine")
    assert main(["init", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"gateway init: {path} is there already; name another file\n"
    assert not re.search(r"\bgw\w{20}", captured.out)
    assert path.read_text() == "mine"


def test_d7_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["init", str(tmp_path / "file" / "gateway.yaml")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_d7_a_missing_configuration_names_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--config", str(tmp_path / "none.yaml")]) == 2
    assert "run `gateway init` to write one" in capsys.readouterr().err
