"""A certificate and its key reach `ssl` by a path that leads to no file with a name, on either way."""

import os
import ssl
from datetime import UTC, datetime

import pytest

from gateway.ca import unnamed_files
from gateway.ca.certificate_authority import make_intermediate, make_leaf, make_root, to_pem
from gateway.ca.unnamed_files import filled_pipe, load_pair, unnamed_file

NOW = datetime.now(UTC)
ROOT = make_root(NOW)
LEAF = make_leaf(make_intermediate(ROOT, [], NOW), "api.twilio.com", NOW)
CHAIN = to_pem(LEAF.certificate)


def open_descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def load() -> None:
    """Load the pair, and see that nothing stays open."""
    before = open_descriptors()
    load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), CHAIN, LEAF.key_pem)
    assert open_descriptors() == before


def test_by_an_anonymous_file() -> None:
    with unnamed_file(b"content") as path:
        assert path.startswith("/proc/self/fd/")
        assert "memfd:" in os.readlink(path)
    load()


def test_by_a_pipe_where_there_is_no_anonymous_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unnamed_files, "memory_file", lambda _: None)
    load()


def test_a_pair_that_does_not_match_leaves_nothing_open() -> None:
    before = open_descriptors()
    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), to_pem(ROOT.certificate), LEAF.key_pem)
    assert open_descriptors() == before


def test_what_no_pipe_holds() -> None:
    with pytest.raises(OSError, match="too long"):
        filled_pipe(b"x" * 4097)
