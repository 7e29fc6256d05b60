"""A peak is given back, and what is in use is left alone."""

import ctypes

import pytest

from gateway.app.process_memory import Trimmer, resident_bytes, trim

MIB = 1024 * 1024


class Memory:
    """Resident memory as a test says."""

    def __init__(self) -> None:
        self.resident = 60 * MIB
        self.after_trim = 60 * MIB
        self.trims = 0

    def trim(self) -> None:
        self.trims += 1
        self.resident = self.after_trim


def test_a_peak_is_given_back_once() -> None:
    memory = Memory()
    trimmer = Trimmer(lambda: memory.resident, memory.trim)
    assert not trimmer.look()
    memory.resident = 180 * MIB
    assert trimmer.look()
    assert not trimmer.look()
    assert memory.trims == 1


def test_what_is_in_use_is_not_trimmed_again_and_again() -> None:
    memory = Memory()
    trimmer = Trimmer(lambda: memory.resident, memory.trim)
    memory.resident = memory.after_trim = 180 * MIB
    assert trimmer.look()
    assert not trimmer.look()
    memory.resident = 70 * MIB  # freed by itself: the next peak counts from here
    assert not trimmer.look()
    memory.resident = 120 * MIB
    assert trimmer.look()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc")
def test_freed_pages_go_back_to_the_system() -> None:
    blocks = [bytes(100_000) for _ in range(2_000)]
    kept = blocks[::50]  # so that nothing can be given back from the top of the heap alone
    del blocks
    before = resident_bytes()
    trim()
    assert resident_bytes() < before - 100 * MIB
    assert len(kept) == 40
