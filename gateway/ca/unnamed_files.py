"""Hands a certificate and its private key to `ssl` without a file that has a name.

`ssl.SSLContext.load_cert_chain` takes paths only. On Linux the path leads to an anonymous file in memory
(memfd_create(2), through /proc/self/fd); elsewhere, or without /proc, to a pipe (/dev/fd). Neither can be
opened by another process but a debugger's, and both are gone once they are closed.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

_LARGEST_PIPE: Final = 4096
"""What a pipe takes for certain before it is read (pipe(7): a user's pipes may be cut to one page)."""


def load_pair(context: ssl.SSLContext, chain_pem: bytes, key_pem: bytes) -> None:
    """Have `context` show a chain, whose first certificate is the key's. Raises `ssl.SSLError`, `OSError`."""
    with ExitStack() as stack:
        chain = stack.enter_context(unnamed_file(chain_pem))
        key = stack.enter_context(unnamed_file(key_pem))
        context.load_cert_chain(chain, key)


@contextmanager
def unnamed_file(content: bytes) -> Iterator[str]:
    """A path that `content` can be read from once, for as long as the context lasts."""
    descriptor = memory_file(content)
    if descriptor is None:
        descriptor = filled_pipe(content)
        folder = "/dev/fd"
    else:
        folder = "/proc/self/fd"
    try:
        yield f"{folder}/{descriptor}"
    finally:
        os.close(descriptor)


def memory_file(content: bytes) -> int | None:
    """A descriptor of an anonymous file; None where the system has none, or no path leads to it."""
    create = getattr(os, "memfd_create", None)
    if create is None or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        descriptor: int = create("certificate", os.MFD_CLOEXEC)
    except OSError:  # a sandbox that forbids the call
        return None
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def filled_pipe(content: bytes) -> int:
    """The reading end of a pipe that holds `content`. Raises `OSError` if it is too long for one."""
    if len(content) > _LARGEST_PIPE:
        raise OSError("the certificate's chain is too long to be passed by a pipe")
    reading, writing = os.pipe()
    try:
        os.write(writing, content)
    finally:
        os.close(writing)
    return reading
