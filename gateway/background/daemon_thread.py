"""Runs blocking calls on daemon threads, so that a call that hangs cannot delay the exit of the process.

`asyncio.to_thread` will not do: the end of its loop, and the interpreter's, wait for its threads. A file on a
hung mount, a FIFO without a writer and a cloud's library can all block for ever.

Nor will `threading.Thread`: its `start` waits until the new thread has run, which held up
a data loop for 244 ms on a loaded machine (0.2 ms without). Threads of `_thread` end with the process, too.
"""

import _thread
import asyncio
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
    _thread.start_new_thread(run, ())
    return future


async def run_in_thread(function: Callable[[], Result]) -> Result:
    """Await the call on the running loop. Cancelled, it stops waiting; the thread is left to itself."""
    return await asyncio.wrap_future(call_in_thread(function))
