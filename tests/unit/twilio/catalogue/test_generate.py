"""`routes.tsv` is what the script makes of the installed `twilio` package."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.twilio.catalogue import generate
from gateway.twilio.catalogue.route import BodyKind
from gateway.twilio.catalogue.route_table import COMMAND, Row

pytestmark = [pytest.mark.slow, pytest.mark.sources]


@pytest.fixture(scope="module")
def generated() -> str:
    return generate.build_table()


def test_the_file_is_what_the_script_generates(generated: str) -> None:
    same = generate.TABLE.read_text("utf-8") == generated  # no diff of 1,600 lines in the report
    assert same, f"{generate.TABLE} is out of date: run {COMMAND}, look at the difference, and commit it"


def test_check_tells_a_stale_file(
    generated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "routes.tsv"
    table.write_text(generated.replace("Messages", "Massages"), "utf-8")
    monkeypatch.setattr(generate, "TABLE", table)
    monkeypatch.setattr(generate, "build_table", lambda: generated)
    assert generate.main(["--check"]) == 1
    assert COMMAND in capsys.readouterr().err
    assert generate.main([]) == 0
    assert table.read_text("utf-8") == generated
    assert generate.main(["--check"]) == 0


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="install the dev dependencies"):
        generate.build_table()


def test_repeats_are_merged_with_their_headers() -> None:
    plain = Row("GET", "voice", "/v3/Calls", None, frozenset())
    declared = plain._replace(flags=frozenset({"authorization"}))
    assert generate.merge_operations([plain, declared, plain]) == [declared]


def test_repeats_that_disagree_are_an_error() -> None:
    form = Row("POST", "voice", "/v3/Calls", BodyKind.FORM, frozenset())
    with pytest.raises(ValueError, match="two body kinds for POST voice /v3/Calls"):
        generate.merge_operations([form, form._replace(body_kind=BodyKind.JSON)])


def test_the_gateway_needs_neither_the_package_nor_the_reader() -> None:
    code = (
        "import sys, gateway.twilio.catalogue as c; c.load_catalogue(); "
        "modules = ('twilio', 'aiohttp', 'gateway.twilio.catalogue.package_reader'); "
        "print([m for m in modules if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
