"""What may be put into huge pages, and that its content stays."""

import ctypes
import mmap
from pathlib import Path

import pytest

from gateway.app import huge_pages
from gateway.app.huge_pages import HUGE_BYTES, collapse, collapse_pages, whole_huge_pages

MAPS = """\
555ed3858000-555ed470a000 rw-p 00000000 00:00 0                          [heap]
7f0ec0000000-7f0ec0400000 rw-p 00000000 00:00 0 
7f0ec0400000-7f0ec0800000 ---p 00000000 00:00 0 
7f0ec1000000-7f0ec1800000 rw-s 00000000 00:00 0 
7f0ec2000000-7f0ec2800000 r-xp 00000000 fe:00 29734                      /usr/lib/lib with a space.so
7f0ec3000000-7f0ec3800000 rw-p 00000000 fe:00 29734                      /usr/lib/libpython3.11.so.1.0
7f0ec4001000-7f0ec4201000 rw-p 00000000 00:00 0 
7ffd2d700000-7ffd2e000000 rw-p 00000000 00:00 0                          [stack]
"""  # noqa: W291 - as the kernel writes it


def test_only_private_memory_without_a_file_is_moved_and_only_whole_huge_pages() -> None:
    assert list(whole_huge_pages(MAPS)) == [
        (0x555ED3A00000, 0x555ED4600000),
        (0x7F0EC0000000, 0x7F0EC0400000),
    ]


def test_one_that_cannot_be_moved_is_no_reason_to_leave_the_next() -> None:
    asked: list[tuple[int, int]] = []

    def refuse_second(address: ctypes.c_void_p, size: ctypes.c_size_t, advice: int) -> int:
        assert size.value == HUGE_BYTES
        assert address.value is not None
        asked.append((address.value // HUGE_BYTES, advice))
        return -1 if address.value == 2 * HUGE_BYTES else 0

    assert collapse(refuse_second, HUGE_BYTES, 4 * HUGE_BYTES) == 2 * HUGE_BYTES
    assert asked == [(1, 25), (1, 14), (2, 25), (3, 25), (3, 14)]


def test_what_memory_holds_stays() -> None:
    madvise = ctypes.CDLL(None).madvise
    with mmap.mmap(-1, 4 * HUGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        written = bytes(range(256)) * (len(memory) // 256)
        memory.write(written)
        view = ctypes.c_char.from_buffer(memory)
        begin = -(-ctypes.addressof(view) // HUGE_BYTES) * HUGE_BYTES
        moved = collapse(madvise, begin, begin + 3 * HUGE_BYTES)
        del view
        assert moved % HUGE_BYTES == 0
        assert memory[:] == written


def test_settings_of_the_machine_that_forbid_it_are_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "enabled"
    policy.write_text("always madvise [never]\n")
    monkeypatch.setattr(huge_pages, "_POLICY", policy)
    assert collapse_pages() == 0
