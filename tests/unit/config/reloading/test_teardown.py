"""C13: a replaced configuration is freed piece by piece; what requests in flight use of it stays."""

from gateway.config.compile import compile_snapshot
from gateway.config.loading.resolve import load_resolved
from gateway.config.reloading.teardown import forget_keys, take_apart
from tests.unit.config.conftest import ENVIRON, GOOD, Write


def test_c13_a_replaced_snapshot_forgets_its_keys_and_nothing_else(write: Write) -> None:
    snapshot = compile_snapshot(load_resolved(write(GOOD), ENVIRON))
    assert snapshot.identities.keys
    forget_keys(snapshot)
    assert not snapshot.identities.keys
    assert list(snapshot.consumers) == ["billing"], "the admin thread may be reading it"


def test_c13_resolved_settings_are_taken_apart(write: Write) -> None:
    resolved = load_resolved(write(GOOD), ENVIRON)
    take_apart(resolved)
    assert not resolved.consumers
    assert not resolved.settings.consumers
