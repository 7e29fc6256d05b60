"""Runs blocking calls on daemon threads, so that a call that hangs cannot delay the exit of the process.

`asyncio.to_thread` will not do: the end of its loop, and the interpreter's, wait for its threads. A file on a
hung mount, a FIFO without a writer and a cloud's library can all block for ever.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def call_in_thread(function: Callable[[], Result]) -> Future[Result]:
    """Start the call. The future gets its result, or the exception that it raised."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - given to the waiting thread, as an executor does
            future.set_exception(error)
        else:
            future.set_result(result)

    future.set_running_or_notify_cancel()  # from here on, it cannot be cancelled under `run`
    threading.Thread(target=run, name="blocking-call", daemon=True).start()
    return future


async def run_in_thread(function: Callable[[], Result]) -> Result:
    """Await the call on the running loop. Cancelled, it stops waiting; the thread is left to itself."""
    return await asyncio.wrap_future(call_in_thread(function))
