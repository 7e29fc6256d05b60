"""The command line within the test's process: what a command prints where, and its exit code.

A process of its own costs a second of imports, so that only a test of the process itself starts one.
"""

import io
import os
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from gateway.__main__ import main

_ROOT = Path(__file__).parents[2]


class Done(NamedTuple):
    """A command that has ended, as `subprocess.CompletedProcess` has it."""

    returncode: int
    stdout: str
    stderr: str


def run_command(*arguments: str, environ: Mapping[str, str] | None = None) -> Done:
    """`gateway ARGUMENT...` in the checkout's folder, with these environment variables alone."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environ or {}, clear=True),
        chdir(_ROOT),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = main(arguments)
        except SystemExit as ends:  # argparse's, for wrong usage and --help
            code = ends.code if isinstance(ends.code, int) else 0
    return Done(code, out.getvalue(), err.getvalue())
