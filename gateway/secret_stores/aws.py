"""AWS Secrets Manager, through boto3, which finds out who we are. boto3 blocks, so it has threads of its own.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html.
Knows nothing of when it is asked. boto3 is imported with the first secret.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from gateway.background.daemon_thread import call_in_thread
from gateway.config.schema.secret_store_settings import Aws
from gateway.config.schema.secret_values import SecretError
from gateway.secret_stores.http_store import is_temporary
from gateway.secret_stores.store import Content, Read

_ALLOW: Final = (
    "allow secretsmanager:GetSecretValue on it, and kms:Decrypt on its key; with web identity, see that the "
    "role trusts this service account"
)
_HINTS: Final = {
    "ResourceNotFoundException": "is it there, in this region and account? "
    "`aws secretsmanager describe-secret` says it",
    "AccessDeniedException": _ALLOW,
    "AccessDenied": _ALLOW,
    "DecryptionFailure": "allow kms:Decrypt on the key that it is encrypted with",
    "InvalidRequestException": "is it to be deleted? `aws secretsmanager restore-secret` brings it back",
    "UnrecognizedClientException": "the access key is not known: correct the credentials",
    "InvalidSignatureException": "the secret access key is wrong, or the clock is",
    "ExpiredTokenException": "the session has ended: let boto3 renew it (a role, web identity), or renew it",
    "ThrottlingException": "raise `secret_stores.refresh_seconds`",
}
"""AWS's codes that we have read: another text is not passed on."""
_TEMPORARY: Final = frozenset({"ThrottlingException"})


class AwsStore:
    """One region of AWS."""

    def __init__(self, settings: Aws, timeout_seconds: float) -> None:
        self._settings = settings
        self._timeout_seconds = timeout_seconds
        self._making = threading.Lock()
        self._client: Any = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Read]:
        """See `SecretStore`."""

        async def read(name: str) -> Content:
            return await asyncio.wrap_future(call_in_thread(lambda: self._read(name)))

        yield read

    def _read(self, name: str) -> Content:
        try:
            from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError
            from botocore.parsers import ResponseParserError
        except ImportError:
            raise SecretError("boto3 is not installed", "pip install 'twilio-gateway[aws]'") from None
        try:
            answer = self._connect().get_secret_value(SecretId=name)
        # `from None`: their texts quote what was answered.
        except ClientError as error:
            raise _refused(error.response) from None
        except (ResponseParserError, AttributeError, KeyError, TypeError):
            # botocore's parsers take JSON of another shape for granted: a list is an AttributeError.
            raise SecretError(
                "AWS's answer is malformed", "is `secret_stores.aws.endpoint_url` AWS's?"
            ) from None
        except (BotoCoreError, ValueError) as error:
            raise SecretError(
                f"boto3 could not ask AWS ({type(error).__name__})",
                "see that region, credentials and network are there where the gateway runs: "
                "`aws sts get-caller-identity`",
                temporary=isinstance(error, ConnectionError | HTTPClientError),
            ) from None
        text = answer.get("SecretString") if isinstance(answer, dict) else None
        if not isinstance(text, str):
            raise SecretError("AWS answered without a SecretString", "store it as text, not as bytes")
        return text

    def _connect(self) -> Any:
        with self._making:
            if self._client is None:
                import boto3
                from botocore.config import Config

                self._client = boto3.session.Session().client(
                    "secretsmanager",
                    region_name=self._settings.region,
                    endpoint_url=self._settings.endpoint_url,
                    config=Config(
                        connect_timeout=self._timeout_seconds,
                        read_timeout=self._timeout_seconds,
                        retries={"mode": "standard", "total_max_attempts": 2},
                    ),
                )
            return self._client


def _refused(response: Any) -> SecretError:
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    code = response.get("Error", {}).get("Code")
    message = f"AWS answered {int(status)}" if isinstance(status, int) else "AWS answered with an error"
    if code not in _HINTS:
        say_more = "`aws secretsmanager get-secret-value` says more, where the gateway runs"
        temporary = isinstance(status, int) and is_temporary(status)
        return SecretError(message, _ALLOW if status == 403 else say_more, temporary=temporary)
    return SecretError(f"{message} ({code})", _HINTS[code], temporary=code in _TEMPORARY)
