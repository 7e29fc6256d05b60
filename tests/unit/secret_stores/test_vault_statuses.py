"""D1: which answers of Vault may be others a while later: `serve` ends with 75 and is started again."""

import time
from pathlib import Path

import pytest

from gateway.config.schema.secret_store_settings import Vault
from gateway.config.schema.secret_values import SecretError
from gateway.secret_stores.http_store import StoreHttp, StoreReply
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


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        pytest.param(307, "it is a standby that redirects", id="standby"),
        pytest.param(503, "it is sealed or in maintenance", id="sealed"),
        pytest.param(400, "check its role gateway", id="role"),
    ],
)
async def test_d1_the_login_says_what_is_wrong_with_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, hint: str
) -> None:
    (tmp_path / "jwt").write_text("token-of-the-pod")
    settings = Vault.model_validate(
        {
            "address": "http://127.0.0.1:8200",
            "kubernetes": {"role": "gateway", "jwt_file": str(tmp_path / "jwt")},
        }
    )

    async def ask(*given: object) -> StoreReply:
        return StoreReply(status, {}, b"{}")

    monkeypatch.setattr(StoreHttp, "ask", ask)
    async with VaultStore(settings, {}, Path(), time.monotonic).opened() as read:
        with pytest.raises(SecretError) as caught:
            await read("twilio")
    assert f"Vault answered {status} to the login" in str(caught.value)
    assert hint in caught.value.hint
    assert caught.value.temporary is (status != 400)
