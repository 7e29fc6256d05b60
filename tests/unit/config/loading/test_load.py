"""Loading as a whole: everything is told at once, and what a load is known by."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config.loading.load import load_settings
from gateway.config.problems import ConfigError
from tests.unit.config.conftest import ENVIRON, GOOD, KEY_SID, Write, complaint, complaints


def test_a_missing_file(tmp_path: Path) -> None:
    line = complaint(tmp_path / "none.yaml")
    assert line.startswith(
        "none.yaml: cannot be read (No such file or directory); name a file by --config PATH"
    )


def test_everything_is_told_at_once_in_the_order_of_the_file(write: Write) -> None:
    text = (
        GOOD.replace("main:", "main:\n    region: br1").replace("[everything]", "all").replace(KEY_SID, "x")
    )
    lines = complaints(
        write(f"{text}    mode: off\nlisten: 1\n"), {"KEY_SID": "no", "GATEWAY__LOG__LEVLE": "info"}
    )
    assert [line.split(": ")[:2] for line in lines] == [
        ["GATEWAY__LOG__LEVLE", "log.levle"],
        ["gateway.yaml:3", "credentials.main.region"],
        ["gateway.yaml:10", "consumers.billing.allow"],
        ["gateway.yaml:11", "consumers.billing.mode"],
        ["gateway.yaml:12", "listen"],
    ]


def test_unset_variables_are_told_beside_other_errors(write: Write) -> None:
    path = write(f"{GOOD}lisen: 1\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {})
    assert [problem.key for problem in caught.value.problems] == [
        "credentials.main.account_sid",
        "credentials.main.keys.0.sid",
        "credentials.main.keys.0.secret",
        "lisen",
    ]


def test_the_hash_changes_with_the_file_and_the_overrides(write: Write) -> None:
    plain = load_settings(write(GOOD), ENVIRON).config_hash
    assert len(plain) == 12
    assert load_settings(write(GOOD), ENVIRON | {"GATEWAY_PORT": "1"}).config_hash == plain
    assert load_settings(write(GOOD), ENVIRON | {"GATEWAY__LOG__LEVEL": "info"}).config_hash != plain
    assert load_settings(write(GOOD + "\n"), ENVIRON).config_hash != plain


@pytest.mark.parametrize(
    "environ",
    [
        {"GATEWAY__LISTEN": "127.0.0.1:8081", "GATEWAY__ADMIN__LISTEN": "127.0.0.1:9091"},
        {"gateway__reuse_port": "true", "GATEWAY__ADMIN": '{"listen": "127.0.0.1:9092"}'},
        {"GATEWAY__STOP_FILE": "/var/lib/gateway-1/stops", "GATEWAY__KEY_USAGE_FILE": "/var/lib/1/keys"},
    ],
)
def test_d5_the_hash_is_that_of_every_replica_of_one_file(write: Write, environ: dict[str, str]) -> None:
    plain = load_settings(write(GOOD), ENVIRON).config_hash
    assert load_settings(write(GOOD), ENVIRON | environ).config_hash == plain


def test_d5_a_file_of_each_instance_own_directory(write: Write) -> None:
    """systemd gives each instance its own directory of credentials; another file is another configuration."""

    def of(path: str) -> str:
        keys = f'[{{"sid": {{"env": "KEY_SID"}}, "secret": {{"file": "{path}"}}}}]'
        return load_settings(write(GOOD), ENVIRON | {"GATEWAY__CREDENTIALS__MAIN__KEYS": keys}).config_hash

    assert of("/run/credentials/gateway@1/secret") == of("/run/credentials/gateway@2/secret")
    assert of("/run/credentials/gateway@1/secret") != of("/run/credentials/gateway@1/other")


def test_d5_a_certificate_in_each_instance_own_directory(write: Write) -> None:
    def of(path: str) -> str:
        return load_settings(write(GOOD), ENVIRON | {"GATEWAY__UPSTREAM__CA_FILE": path}).config_hash

    assert of("/run/credentials/gateway@1/ca.pem") == of("/run/credentials/gateway@2/ca.pem")
    assert of("/run/credentials/gateway@1/ca.pem") != of("/run/credentials/gateway@1/other.pem")


def test_d3_a_rule_that_does_not_parse_is_found_beside_other_errors(write: Write) -> None:
    text = (
        GOOD.replace("[everything]", "[everything, POST api]") + "    limits: [{rate: 1/s, route: verfy}]\n"
    )
    lines = complaints(write(f"{text}lisen: 1\n"))
    assert [line.split(": ")[1] for line in lines] == [
        "consumers.billing.allow.1",
        "consumers.billing.limits.0.route",
        "lisen",
    ]


def test_settings_cannot_be_changed(write: Write) -> None:
    settings = load_settings(write(GOOD), ENVIRON, datetime(2026, 1, 1, tzinfo=UTC)).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.listen = "0.0.0.0:1"
