"""Reading a large configuration: no garbage collection meanwhile, nor of it afterwards."""

import gc
from collections.abc import Iterator

import pytest

from gateway.config.paused_collection import paused_collection


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """Whatever a test leaves behind."""
    yield
    gc.enable()


def test_c13_no_collection_inside_and_many_objects_are_passed_over_afterwards() -> None:
    seen: list[str] = []
    gc.callbacks.append(lambda phase, _: seen.append(phase))
    try:
        before = gc.get_freeze_count()
        with paused_collection():
            kept = [[number] for number in range(50_000)]
            assert not gc.isenabled()
            assert seen == []
        assert gc.isenabled()
        assert gc.get_freeze_count() - before >= len(kept)
    finally:
        gc.callbacks.pop()


def test_c13_a_small_configuration_freezes_nothing() -> None:
    before = gc.get_freeze_count()
    with paused_collection():
        kept = [[number] for number in range(10)]
    assert gc.get_freeze_count() == before
    assert kept


def test_what_was_off_stays_off() -> None:
    gc.disable()
    with paused_collection():
        pass
    assert not gc.isenabled()
