"""A peak is given back, and what is in use is left alone."""

import ctypes
import subprocess
import sys

import pytest

from gateway.app.process_memory import Trimmer, resident_bytes, trim, used_bytes

MIB = 1024 * 1024


class Memory:
    """A process as a test says: what it uses, and what it freed and the C library kept."""

    def __init__(self) -> None:
        self.used = 50 * MIB
        self.kept = 0
        self.trims = 0

    def resident(self) -> int:
        return 10 * MIB + self.used + self.kept

    def trim(self) -> None:
        self.trims += 1
        self.kept = 0

    def use(self, size: int) -> None:
        self.kept -= min(self.kept, size)
        self.used += size

    def release(self, size: int) -> None:
        self.used -= size
        self.kept += size


def _trimmer(memory: Memory) -> Trimmer:
    return Trimmer(memory.resident, lambda: memory.used, memory.trim)


def test_a_peak_is_given_back_once() -> None:
    memory = Memory()
    trimmer = _trimmer(memory)
    memory.use(120 * MIB)
    assert not trimmer.look()  # it is in use
    memory.release(120 * MIB)
    assert trimmer.look()
    assert memory.resident() == 60 * MIB
    assert not trimmer.look()


def test_c2_every_peak_is_given_back_however_large_one_was_in_use_before() -> None:
    memory = Memory()
    trimmer = _trimmer(memory)
    for _ in range(6):
        memory.use(900 * MIB)
        assert not trimmer.look()
        memory.release(900 * MIB)
        assert trimmer.look()
        assert memory.resident() == 60 * MIB
    assert memory.trims == 6


def test_c2_a_peak_between_two_looks_is_given_back() -> None:
    memory = Memory()
    trimmer = _trimmer(memory)
    for _ in range(3):
        memory.use(100 * MIB)
        memory.release(100 * MIB)
        assert trimmer.look()
        assert memory.resident() == 60 * MIB


def test_what_is_freed_and_used_again_is_no_reason_to_trim() -> None:
    memory = Memory()
    trimmer = _trimmer(memory)
    for _ in range(10):
        memory.use(8 * MIB)
        memory.release(8 * MIB)
        assert not trimmer.look()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc")
def test_freed_pages_go_back_to_the_system() -> None:
    blocks = [bytes(100_000) for _ in range(2_000)]
    kept = blocks[::50]  # so that nothing can be given back from the top of the heap alone
    del blocks
    before = resident_bytes()
    trim()
    assert resident_bytes() < before - 100 * MIB
    assert len(kept) == 40


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C library is no glibc 2.33")
def test_what_is_used_of_the_heap_is_counted() -> None:
    blocks = [bytes(100_000) for _ in range(500)]
    kept = blocks[::50]
    before = used_bytes()
    del blocks
    assert used_bytes() < before - 30 * MIB
    assert len(kept) == 10


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_large_blocks_go_back_when_they_are_freed() -> None:
    """In a process of its own: blocks fill holes first that other tests have left in the heap."""
    script = """
from gateway.app.process_memory import resident_bytes, settle_allocator
settle_allocator()
b"x" * 16_000_000  # by itself glibc would take the next blocks from the heap, once such a one was freed
blocks = [b"x" * 200_000 for _ in range(500)]
kept = blocks[::50]
before = resident_bytes()
del blocks
print(before - resident_bytes())
"""
    freed = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120
    )
    assert int(freed.stdout) > 60 * MIB
