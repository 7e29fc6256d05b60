"""D1: which answers of Vault may be others a while later: `serve` ends with 75 and is started again."""

import time
from pathlib import Path

import pytest

from gateway.config.schema.secret_store_settings import Vault
from gateway.config.schema.secret_values import SecretError
from gateway.secret_stores.http_store import StoreReply
from gateway.secret_stores.vault import VaultStore


@pytest.mark.parametrize(
    ("status", "temporary"),
    [(400, False), (403, False), (404, False), (405, False), (301, False)]
    + [(status, True) for status in (307, 412, 429, 472, 473, 500, 502, 503)],
)
def test_d1_answers_of_a_vault_that_will_answer_later(status: int, temporary: bool) -> None:
    """A standby that has no active node, or lags behind it, is no fault of the configuration."""
    settings = Vault.model_validate({"address": "http://127.0.0.1:8200", "token": {"env": "TOKEN"}})
    vault = VaultStore(settings, {}, Path(), time.monotonic)
    with pytest.raises(SecretError) as caught:
        vault._secret(StoreReply(status, {}, b"{}"), "twilio")
    assert caught.value.temporary is temporary
