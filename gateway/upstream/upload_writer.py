"""A body that is streamed to Twilio as it arrives, held back while the connection does not take it."""

import asyncio
from collections.abc import AsyncIterable, Callable

from gateway.upstream.sending import Sending
from gateway.upstream.upstream_failures import timed_out


class UploadWriter:
    """One body. `on_end` learns of its end, or of the error that broke it off.

    That is `upstream_timeout` if the peer takes nothing for the `upload_seconds` of `sending`.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        sending: Sending,
        body: AsyncIterable[bytes],
        on_end: Callable[[Exception | None], None],
    ) -> None:
        self._transport = transport
        self._body = body
        self._on_end = on_end
        self._chunked = sending.chunked
        self._seconds = sending.upload_seconds
        self._resumed: asyncio.Future[None] | None = None
        self._task = asyncio.get_running_loop().create_task(self._send())

    def pause(self) -> None:
        """What was written is not taken fast enough."""
        if self._resumed is None:
            self._resumed = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """It is, again."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None and not resumed.done():
            resumed.set_result(None)

    def cancel(self) -> None:
        """Stop sending it; `on_end` is not called."""
        self._task.cancel()

    async def _send(self) -> None:
        write = self._transport.write
        try:
            async for chunk in self._body:
                if not chunk:
                    continue  # it would end a chunked body
                write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked else chunk)
                if self._resumed is not None:
                    await self._until_taken(self._resumed)
        except Exception as error:  # noqa: BLE001 - the caller's body broke off: who awaits the answer learns why
            self._on_end(error)
            return
        if self._chunked:
            write(b"0\r\n\r\n")
        self._on_end(None)

    async def _until_taken(self, resumed: "asyncio.Future[None]") -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await resumed
        except TimeoutError:
            raise timed_out() from None
