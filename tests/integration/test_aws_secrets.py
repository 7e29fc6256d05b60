"""Secrets from moto's server, which speaks AWS's protocol, by boto3 as it is."""

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.secret_stores.secret_cache import SecretCache
from tests.support.aws import REGION, AwsPeer, aws_peer
from tests.support.remote_secrets import SecretEvents, complaint_of, load, secret_of, write_configuration
from tests.support.upstream import Step, hang, raw, raw_upstream, reply

CANARY, SECOND = "c4nary0f16aaaaaaaaaaaaaaaaaaaaaaa", "c4nary0f16bbbbbbbbbbbbbbbbbbbbbbb"
WHERE = "credentials.main.keys.0.secret: aws:twilio/main was not read: "
VARIABLES = (
    "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ROLE_ARN",
)  # fmt: skip


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials for anything, and nothing of whoever runs the test."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture(autouse=True)
def settled() -> Iterator[None]:
    """boto3's calls that nobody waits for any more end with their own test."""
    yield
    for thread in threading.enumerate():
        if thread.name == "secret-store":
            thread.join(30)


@pytest.fixture
def aws() -> Iterator[AwsPeer]:
    """Has the secret."""
    with aws_peer() as peer:
        peer.secrets.create_secret(Name="twilio/main", SecretString=CANARY)
        yield peer


def write(folder: Path, aws: AwsPeer, name: str = "twilio/main", **more: Any) -> Path:
    """A configuration whose key is in `aws`."""
    section = {"region": REGION, "endpoint_url": aws.url, **more}
    return write_configuration(folder, {"aws": name}, aws=section)


def write_for(folder: Path, url: str, timeout_seconds: float) -> Path:
    """The same with a server that is not moto's."""
    section = {"region": REGION, "endpoint_url": url}
    return write_configuration(folder, {"aws": "twilio/main"}, aws=section, timeout_seconds=timeout_seconds)


async def test_a_whole_secret(aws: AwsPeer, tmp_path: Path) -> None:
    assert await secret_of(write(tmp_path, aws)) == CANARY


async def test_by_its_arn(aws: AwsPeer, tmp_path: Path) -> None:
    arn = aws.secrets.describe_secret(SecretId="twilio/main")["ARN"]
    assert await secret_of(write(tmp_path, aws, arn)) == CANARY


async def test_one_value_of_a_json_secret(aws: AwsPeer, tmp_path: Path) -> None:
    values = json.dumps({"api_key": "SK1", "api_secret": SECOND})
    aws.secrets.create_secret(Name="twilio/json", SecretString=values)
    assert await secret_of(write(tmp_path, aws, "twilio/json#api_secret")) == SECOND
    line = await complaint_of(write(tmp_path, aws, "twilio/json#other"))
    assert "aws:twilio/json#other was not read: it has no value by this key; correct what" in line
    line = await complaint_of(write(tmp_path, aws, "twilio/main#api_secret"))
    assert "aws:twilio/main#api_secret was not read: it is not a JSON object; leave #KEY out" in line
    assert CANARY not in line


async def test_the_region_of_the_environment(
    aws: AwsPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    assert await secret_of(write(tmp_path, aws, region=None)) == CANARY
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    line = await complaint_of(write(tmp_path, aws, region=None))
    assert f"{WHERE}boto3 could not ask AWS (NoRegionError); see that region, credentials" in line


async def test_rotated(aws: AwsPeer, tmp_path: Path) -> None:
    remote, events = SecretCache(), SecretEvents()
    remote.start(lambda: None, events)
    path = write(tmp_path, aws)
    await load(path, remote)
    assert not await asyncio.to_thread(remote.refresh)
    aws.secrets.put_secret_value(SecretId="twilio/main", SecretString=SECOND)
    assert await asyncio.to_thread(remote.refresh)
    assert events.told == [("rotated", "aws:twilio/main", "")]
    assert await secret_of(path, remote) == SECOND
    remote.close()


async def test_what_is_not_there(aws: AwsPeer, tmp_path: Path) -> None:
    line = await complaint_of(write(tmp_path, aws, "twilio/none"))
    assert "aws:twilio/none was not read: AWS answered 404 (ResourceNotFoundException); is it there" in line
    aws.secrets.create_secret(Name="twilio/bytes", SecretBinary=CANARY.encode())
    line = await complaint_of(write(tmp_path, aws, "twilio/bytes"))
    assert "aws:twilio/bytes was not read: AWS answered without a SecretString; store it as text" in line
    aws.secrets.delete_secret(SecretId="twilio/main")
    line = await complaint_of(write(tmp_path, aws))
    assert f"{WHERE}AWS answered 400 (InvalidRequestException); is it to be deleted?" in line


async def test_who_may(aws: AwsPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy that the documentation names is enough; a user without it, or an unknown one, is refused."""
    user = aws.add_user("secretsmanager:GetSecretValue")
    aws.demand_policies()
    for name, value in user.items():
        monkeypatch.setenv(name, value)
    assert await secret_of(write(tmp_path, aws)) == CANARY
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    line = await complaint_of(write(tmp_path, aws))
    assert "wrong" not in line.replace("is wrong", "")
    assert f"{WHERE}AWS answered 4" in line
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN")
    assert f"{WHERE}AWS answered 4" in await complaint_of(write(tmp_path, aws))


async def test_a_user_without_the_policy(
    aws: AwsPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = aws.add_user()
    aws.demand_policies()
    for name, value in user.items():
        monkeypatch.setenv(name, value)
    line = await complaint_of(write(tmp_path, aws))
    assert f"{WHERE}AWS answered 403; allow secretsmanager:GetSecretValue" in line


async def test_without_credentials(aws: AwsPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    line = await complaint_of(write(tmp_path, aws))
    assert f"{WHERE}boto3 could not ask AWS (NoCredentialsError); see that" in line


async def test_away(aws: AwsPeer, tmp_path: Path) -> None:
    line = await complaint_of(write(tmp_path, aws, endpoint_url="http://127.0.0.1:1"))
    assert f"{WHERE}boto3 could not ask AWS (EndpointConnectionError); see that" in line


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param(reply(b"no JSON " + CANARY.encode()), "AWS answered without a SecretString", id="text"),
        pytest.param(reply(b""), "AWS answered without a SecretString", id="nothing"),
        pytest.param(reply(b'["SecretString"]'), "AWS's answer is malformed", id="list"),
        pytest.param(reply(b'{"SecretString": ["x"]}'), "AWS answered without a SecretString", id="array"),
        pytest.param(reply(CANARY.encode(), status="500 Oops"), "AWS answered 500; `aws secre", id="failure"),
        pytest.param(raw(b"HTTP/9 " + CANARY.encode(), ends="close"), "boto3 could not ask AWS (", id="raw"),
    ],
)
async def test_answers_that_are_no_secret(tmp_path: Path, step: Step, expected: str) -> None:
    async with raw_upstream() as upstream:
        upstream.otherwise = step
        line = await complaint_of(write_for(tmp_path, upstream.url, 30))
        assert f"{WHERE}{expected}" in line
        assert CANARY not in line


async def test_silent(tmp_path: Path) -> None:
    async with raw_upstream() as upstream:
        upstream.otherwise = hang()
        line = await complaint_of(write_for(tmp_path, upstream.url, 0.5))
        assert f"{WHERE}no answer within 0.5 s; see whether the store can be reached" in line


async def test_without_boto3(aws: AwsPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    line = await complaint_of(write(tmp_path, aws))
    assert f"{WHERE}boto3 is not installed; pip install 'twilio-gateway[aws]'" in line
