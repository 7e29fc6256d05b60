"""moto's server: a real HTTP server that speaks AWS's protocol, with users, policies and secrets."""

import json
import logging
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"


@dataclass
class AwsPeer:
    """The server, and a client that may do everything."""

    url: str
    secrets: Any

    def demand_policies(self) -> None:
        """From now on, who asks must be known and allowed to."""
        self._admit(b"0")

    def admit_everybody(self) -> None:
        """As at the beginning. (What moto knows, it knows for the whole process.)"""
        self._admit(b"inf")

    def _admit(self, requests: bytes) -> None:
        _post(f"{self.url}/moto-api/reset-auth", requests)

    def add_user(self, *actions: str) -> dict[str, str]:
        """The variables of a new user, who may do these. Before `demand_policies`."""
        iam = _client("iam", self.url)
        iam.create_user(UserName="gateway")
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}],
        }
        if actions:
            iam.put_user_policy(UserName="gateway", PolicyName="gateway", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName="gateway")["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def _post(url: str, body: bytes = b"") -> None:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "text/plain"})
    urllib.request.urlopen(request, timeout=60).close()


def _client(service: str, url: str) -> Any:
    return boto3.session.Session().client(
        service, REGION, endpoint_url=url, aws_access_key_id="AKIATEST", aws_secret_access_key="test"
    )


@contextmanager
def aws_peer() -> Iterator[AwsPeer]:
    """A server on a thread of its own; with no secrets, users or policies."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request, else
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        _post(f"{url}/moto-api/reset")
        peer = AwsPeer(url, _client("secretsmanager", url))
        try:
            yield peer
        finally:
            peer.admit_everybody()
    finally:
        server.stop()
