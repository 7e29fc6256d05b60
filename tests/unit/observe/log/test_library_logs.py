"""What Python and its libraries say goes to one log, and keeps none that was replaced."""

import gc
import json
import logging
import os
import ssl
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.observe.log.library_logs import route_libraries
from gateway.observe.log.line_writer import LineWriter
from gateway.observe.log.structured_log import open_log
from tests.support.tls import Authority


@pytest.fixture(autouse=True)
def _hooks_come_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    hooks = warnings.showwarning, sys.unraisablehook, threading.excepthook
    yield
    root.handlers = handlers
    root.setLevel(level)
    warnings.showwarning, sys.unraisablehook, threading.excepthook = hooks


def test_b15_a_server_name_that_is_no_text_is_a_refused_handshake(tmp_path: Path) -> None:
    """Anybody can ask for one; what else Python ignores is still an error."""
    refused = handshake_for(b"\xe2\x84\xaaey.internal")
    path = tmp_path / "log"
    with path.open("wb", buffering=0) as target:
        writer = LineWriter(target.fileno())
        route_libraries(open_log(writer, "info", "json"))
        with pytest.raises(ssl.SSLError) as found:
            refused()
        assert found.value.reason == "CALLBACK_FAILED"
        Failing()  # is collected at once
        writer.close()
    assert [json.loads(line)["error"] for line in path.read_text().splitlines()] == ["UnicodeDecodeError"]


class Failing:
    """As odd as the handshake's, but of ours."""

    def __del__(self) -> None:
        b"\xff".decode("ascii")


def handshake_for(server_name: bytes) -> Callable[[], None]:
    """The server's side of a handshake that asks for these bytes; no client's library sends them."""
    client, server = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    Authority().issue().configure_cert(server)
    server.sni_callback = lambda *_: None
    sent, received = ssl.MemoryBIO(), ssl.MemoryBIO()
    stand_in = "x" * len(server_name)
    with suppress(ssl.SSLWantReadError):
        client.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=stand_in).do_handshake()
    received.write(sent.read().replace(stand_in.encode(), server_name))
    return server.wrap_bio(received, ssl.MemoryBIO(), server_side=True).do_handshake


def test_a_replaced_log_is_freed() -> None:
    """Also by a thread that was made meanwhile, which keeps the hook of its time."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    writers = [LineWriter(descriptor) for _ in range(2)]
    first = weakref.ref(writers[0])
    route_libraries(open_log(writers[0], "info", "json"))
    thread = threading.Thread(target=gc.collect)
    route_libraries(open_log(writers[1], "info", "json"))
    writers.pop(0).close()
    gc.collect()
    assert first() is None
    thread.start()
    thread.join()
    writers[0].close()
    os.close(descriptor)
