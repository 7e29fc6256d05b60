"""A guard for `StrictFraming.resume_reading`: whatever pauses reading sets a flag that it looks at."""

import inspect

from aiohttp.base_protocol import BaseProtocol
from aiohttp.web_protocol import RequestHandler


def test_a_pause_sets_a_flag_of_two() -> None:
    """Should aiohttp pause in a third way, `resume_reading` has to look at that, too."""
    assert "self._reading_paused = True" in inspect.getsource(BaseProtocol.pause_reading)
    assert "self._buffer_paused = True" in inspect.getsource(BaseProtocol._pause_reading_for_buffer)
    source = inspect.getsource(BaseProtocol) + inspect.getsource(RequestHandler)
    assert source.count(".pause_reading()") == 2  # the parser's and the transport's, of those two
