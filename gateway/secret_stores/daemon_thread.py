"""Calls that block, on threads that nobody has to wait for: a library that hangs must not hold up an exit.

`asyncio.to_thread` will not do: the end of its loop, and the interpreter's, wait for its threads.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def call_in_thread(function: Callable[[], Result]) -> Future[Result]:
    """Begin the call. The future has its result, or what it raised."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits, as an executor does
            future.set_exception(error)
        else:
            future.set_result(result)

    future.set_running_or_notify_cancel()  # from here on, it cannot be cancelled under `run`
    threading.Thread(target=run, name="secret-store", daemon=True).start()
    return future
