"""D2: what only an optional package or its variables can judge is found by `check` and by a reload."""

import sys
from pathlib import Path

import pytest

from gateway.app.configuration import make_configuration
from gateway.config.loading.resolve import load_resolved
from gateway.config.problems import ConfigError
from tests.unit.config.conftest import ENVIRON, GOOD

STORE_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
TRACING = "tracing: {enabled: true}\n"


def problems(path: Path, text: str) -> list[str]:
    """What makes the configuration unusable: `key: message`."""
    path.write_text(GOOD + text)
    try:
        make_configuration(load_resolved(path, {**ENVIRON, "STORE_KEY": STORE_KEY}))
    except ConfigError as error:
        return [f"{problem.key}: {problem.message}" for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("text", "missing", "expected"),
    [
        (TRACING, "opentelemetry.sdk.resources", "tracing.enabled: needs the opentelemetry packages"),
        ("store: redis://h\n", "redis.asyncio", "store: needs the redis package"),
        (
            "store_key: {env: STORE_KEY}\n",
            "cryptography.hazmat.primitives.ciphers.aead",
            "store_key: needs the cryptography package",
        ),
    ],
)
def test_d2_a_missing_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, missing: str, expected: str
) -> None:
    assert problems(tmp_path / "gateway.yaml", text) == []
    monkeypatch.setitem(sys.modules, missing, None)  # an import of it raises ImportError
    assert problems(tmp_path / "gateway.yaml", text) == [expected]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "names an exporter that is not installed"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "x", "has a value that OpenTelemetry cannot use"),
    ],
)
def test_d2_a_variable_of_opentelemetry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    (found,) = problems(tmp_path / "gateway.yaml", TRACING)
    assert found.startswith("tracing.enabled: ")
    assert expected in found
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert problems(tmp_path / "gateway.yaml", TRACING) == []


@pytest.mark.parametrize(
    "url", ["redis://h/0?bogus=1", "redis://h/0?socket_timeout=x", "rediss://h?ssl_cert_reqs=x"]
)
def test_d2_a_store_s_url_that_no_connection_can_be_made_of(tmp_path: Path, url: str) -> None:
    assert problems(tmp_path / "gateway.yaml", f"store: {url}\n") == [
        "store: a part of the URL's path or query cannot be used"
    ]


def test_d2_packages_and_rules_are_found_in_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    path = tmp_path / "gateway.yaml"
    path.write_text(GOOD.replace("[everything]", "[POST api]") + "store: redis://h\n")
    with pytest.raises(ConfigError) as caught:
        make_configuration(load_resolved(path, ENVIRON))
    assert [problem.key for problem in caught.value.problems] == ["store", "consumers.billing.allow.0"]
