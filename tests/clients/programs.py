"""The programs that some clients are: where they are found, and one run of each."""

import asyncio
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

NODE_FOLDER = Path(__file__).parent / "node"
_RUN_SECONDS = 180


@dataclass(frozen=True)
class Reply:
    """What came back over HTTP; names of fields in lower case."""

    status: int
    fields: dict[str, str]
    body: bytes
    version: str = ""

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def ours(self) -> str:
        """The slug of our own error, or ''."""
        return self.fields.get("gateway-error", "")


def require_tool(name: str) -> str:
    """Where a program is. Skips the test without it; under CI that is a failure."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{name} is not installed, and under CI no client is left out")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


async def run_program(command: Sequence[str], cwd: Path, given: bytes = b"") -> bytes:
    """Its standard output. Anything on standard error, and any exit status but 0, fails the test."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=dict(os.environ),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, errors = await asyncio.wait_for(process.communicate(given), _RUN_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, errors.decode()) == (0, "")
    return output


@dataclass(frozen=True)
class Curl:
    """Runs curl; `folder` is for its files."""

    program: str
    folder: Path

    async def __call__(self, *arguments: str) -> Reply:
        """One request. curl's exit status must be 0, which it is for every status of HTTP."""
        head, body = self.folder / "head", self.folder / "body"
        body.write_bytes(b"")  # curl makes no file for an empty body
        command = [self.program, "-q", "-sS", "-D", str(head), "-o", str(body), *arguments]
        await run_program(command, self.folder)
        return read_reply(head.read_bytes().decode("latin-1"), body.read_bytes())


def read_reply(head: str, body: bytes) -> Reply:
    """A reply from curl's dump of headers; of several heads (100 Continue) the last one counts."""
    status_line, *lines = head.strip().split("\r\n\r\n")[-1].split("\r\n")
    version, status, *_ = status_line.split(" ", 2)
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Reply(int(status), fields, body, version)
