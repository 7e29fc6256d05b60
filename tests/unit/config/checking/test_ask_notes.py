"""What `gateway check` says of `repeat_guard.ask`."""

from itertools import permutations

import pytest

from gateway.config.compile import compile_snapshot
from gateway.config.compile_credentials import compile_credentials
from gateway.config.lint import find_lint
from gateway.config.loading.resolve import load_resolved, load_static
from gateway.config.loading.resolved import ResolvedAccount, ResolvedCredential, ResolvedKey
from gateway.config.schema.secret_values import Secret
from tests.unit.config.conftest import ENVIRON, GOOD, Write, complaints

ASKS = GOOD.replace("    keys: [{sid", "    repeat_guard: {ask: true}\n    keys: [{sid", 1)
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
STATES = "credentials.main.repeat_guard.ask"

NOTES = [
    pytest.param(GOOD, [], id="off"),
    pytest.param(ASKS, [STATES], id="on"),
    pytest.param(ASKS + "repeat_guard: {mode: report}\n", [STATES, "repeat_guard.mode"], id="report"),
    pytest.param(ASKS + "store: redis://h\n", [STATES, "store"], id="redis without a key"),
    pytest.param(ASKS + "store: redis://h\nstore_key: {env: STORE_KEY}\n", [STATES], id="redis with a key"),
    pytest.param(ASKS + "repeat_guard: {after_absent: hold}\n", [STATES], id="hold"),
    pytest.param(
        GOOD + "repeat_guard: {after_absent: hold}\n", ["repeat_guard.after_absent"], id="hold, off"
    ),
    pytest.param(GOOD + "repeat_guard: {resend_absent: true}\n", ["repeat_guard.resend_absent"], id="resend"),
]


@pytest.mark.parametrize(("text", "places"), NOTES)
def test_d3_what_asking_states_and_lacks(write: Write, text: str, places: list[str]) -> None:
    resolved = load_resolved(write(text), {**ENVIRON, "STORE_KEY": KEY})
    found = [*resolved.warnings, *find_lint(resolved, compile_snapshot(resolved))]
    assert [each.key for each in found] == places


def test_asking_is_compiled_for_the_credential(write: Write) -> None:
    asking, other = (
        compile_snapshot(load_resolved(write(text), ENVIRON)).credentials["main"] for text in (ASKS, GOOD)
    )
    assert (asking.asks, other.asks) == (True, False)
    assert len(asking.digest_key) == 32
    assert "digest_key" not in repr(asking)


def test_credentials_of_one_account_digest_alike(write: Write) -> None:
    """What one of them has in flight may be what a look for a create of the other finds."""
    main = ASKS[ASKS.index("  main:") : ASKS.index("consumers:")]
    second = main.replace("main:", "second:").replace("KEY_SECRET", "OTHER_SECRET")
    path = write(ASKS.replace(main, main + second))
    resolved = load_resolved(path, {**ENVIRON, "OTHER_SECRET": "another-secret-of-a-key"})
    found = compile_snapshot(resolved).credentials
    assert found["main"].account.keys != found["second"].account.keys
    assert found["main"].digest_key == found["second"].digest_key != b""


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_accounts_connect_credentials_that_share_none(order: tuple[int, ...]) -> None:
    """Whichever key is the least: of the main account, of its subaccount, of both, and of a stranger."""
    owned: list[tuple[str, list[str]]] = [("AC1", []), ("AC2", []), ("AC1", ["AC2"]), ("AC3", [])]
    resolved = {
        str(which): ResolvedCredential(
            name=str(which),
            account_sid=sid,
            keys=(ResolvedKey(f"SK{number}", Secret(f"secret-{number}", "test")),),
            auth_token=None,
            subaccounts=tuple(ResolvedAccount(each, (), None) for each in subaccounts),
            region="us1",
            edge=None,
        )
        for number, which in enumerate(order)
        for sid, subaccounts in [owned[which]]
    }
    found = compile_credentials(resolved)
    assert found["0"].digest_key == found["1"].digest_key == found["2"].digest_key != b""
    assert found["3"].digest_key not in (b"", found["0"].digest_key)


def test_the_store_key_makes_the_digests(write: Write) -> None:
    path = write(ASKS + "store_key: {env: STORE_KEY}\n")
    snapshot = compile_snapshot(load_resolved(path, {**ENVIRON, "STORE_KEY": KEY + "\n"}))
    assert snapshot.seal is not None
    assert snapshot.credentials["main"].digest_key == snapshot.seal.digest_key
    static = compile_snapshot(load_static(path, {}))
    assert static.seal is not None


@pytest.mark.parametrize("value", ["", "short", KEY[:-2], KEY + "AAAA", "*" * 44, "MDEy" * 12])
def test_d2_a_store_key_that_is_none(write: Write, value: str) -> None:
    path = write(GOOD + "store_key: {env: STORE_KEY}\n")
    (found,) = complaints(path, {**ENVIRON, "STORE_KEY": value})
    assert "STORE_KEY" in found
    assert not value or value not in found
