"""Guards for the private parts of aiohttp's server that we lean on: they fail if aiohttp changes."""

import inspect

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.listener.connections import ConnectionLimits
from gateway.listener.data_server import DataProtocol, DataServer
from gateway.listener.raw_response import RawResponse


def test_a_response_is_prepared_and_ended_as_we_override_it() -> None:
    """`finish_response` calls `prepare`, then `write_eof`, then asks for `keep_alive`."""
    source = inspect.getsource(RequestHandler.finish_response)
    assert source.index("prepare_meth(request)") < source.index("resp.write_eof()")
    assert "resp.keep_alive" in inspect.getsource(RequestHandler.start)


def test_stream_response_has_the_attributes_that_we_set() -> None:
    """`RawResponse` skips the constructor: everything else is a class attribute or set by it."""
    response = RawResponse(200, "OK", b"", b"")
    for name in (
        "_eof_sent",
        "_payload_writer",
        "_keep_alive",
        "_req",
        "_must_be_empty_body",
        "_body_length",
    ):
        assert hasattr(response, name), name
    stock = web.StreamResponse()
    assert {"_status", "_reason", "_state"} <= set(vars(stock)) | set(dir(stock))
    source = inspect.getsource(web.StreamResponse.write_eof)
    assert source.index("if self._eof_sent:") < source.index("self._payload_writer.write_eof")


def test_set_attributes_are_the_only_ones_that_aiohttp_sets() -> None:
    """A new attribute in aiohttp's constructor has to be looked at."""
    missing = set(vars(web.StreamResponse())) - set(vars(RawResponse(200, "OK", b"", b"")))
    assert {name for name in missing if not hasattr(web.StreamResponse, name)} <= {"_headers", "_body"}


def test_the_protocol_is_told_of_loss_and_of_errors_as_we_override_it() -> None:
    """Names and signatures of what `DataProtocol` replaces."""
    for name in ("connection_lost", "handle_error", "log_exception", "data_received"):
        theirs = inspect.signature(getattr(RequestHandler, name))
        ours = inspect.signature(getattr(DataProtocol, name))
        assert list(theirs.parameters) == list(ours.parameters), name
    source = inspect.getsource(RequestHandler._handle_request)
    assert "self.handle_error(request, 500, exc)" in source
    assert "self.handle_error(" in inspect.getsource(RequestHandler._make_error_handler)


def test_the_lost_caller_leaves_the_task_alone() -> None:
    """Cancelling on hang-up is ours: aiohttp does it only if told to."""
    assert "if handler_cancellation and" in inspect.getsource(RequestHandler.connection_lost)
    assert inspect.signature(web.Server.__init__).parameters["handler_cancellation"].default is False


async def test_a_protocol_is_made_with_options_that_aiohttp_knows() -> None:
    """What `DataServer` hands on."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        raise NotImplementedError

    server = DataServer(
        handle,
        lambda error, request: RawResponse(400, "", b""),
        header_bytes=1,
        headers_max=1,
        limits=ConnectionLimits(idle_seconds=1),
    )
    assert set(server._options) <= set(inspect.signature(RequestHandler.__init__).parameters)
    assert inspect.getsource(web.Server.__call__).count("RequestHandler(self, loop=self._loop") >= 1


def test_requests_and_writers_have_what_we_read() -> None:
    """`_payload_writer`, `_payload`, `_message`, `writer.output_size` of a request."""
    source = inspect.getsource(web.BaseRequest.__init__)
    for name in ("_payload_writer", "_payload", "_message", "_protocol", "_task"):
        assert f"self.{name} = " in source, name
