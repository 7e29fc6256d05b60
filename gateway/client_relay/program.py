"""Runs a program in this one's place: terminal, signals and exit code are the program's.

Signals from the terminal reach the program by themselves, because it stays in this process group; those that
are sent to this process are passed on.
"""

import asyncio
import os
import resource
import signal
import threading
from collections.abc import Mapping, Sequence
from typing import Final

_FAULTS: Final = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS}
_OWN: Final = {signal.SIGCHLD, signal.SIGPIPE, signal.SIGXCPU, signal.SIGXFSZ}
_SENT_ON: Final = frozenset(signal.valid_signals() - _FAULTS - _OWN - {signal.SIGKILL, signal.SIGSTOP})
"""All that do not concern this process alone: servers take SIGTTIN or SIGWINCH for orders, too."""
_STOPPING: Final = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_FROM_KERNEL: Final = 0  # si_code above it: sigaction(2)


class ProgramNotStarted(Exception):
    """`code` is what a shell ends with: 127 if there is none, 126 if it cannot be run."""

    def __init__(self, code: int, why: str) -> None:
        self.code = code
        super().__init__(why)


class SignalsSentOn:
    """Holds signals back from `hold` on, and sends them to a program from `send_to` on.

    Blocked before threads are started, so that none of them receives these signals.
    """

    def __init__(self) -> None:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, _SENT_ON)

    def restore(self) -> None:
        """In the program's process, before it is executed: signals reach it as usual."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def send_to(self, pid: int) -> None:
        """Pass on signals sent to this process. Those of the terminal reach the program by themselves."""
        threading.Thread(target=_send_on, args=(pid,), name="signals", daemon=True).start()


def _send_on(pid: int) -> None:
    while True:
        found = signal.sigwaitinfo(_SENT_ON)
        if found.si_code <= _FROM_KERNEL:
            try:
                os.kill(pid, found.si_signo)
            except ProcessLookupError:
                return
        if found.si_signo in _STOPPING and (found.si_code > _FROM_KERNEL or found.si_signo == signal.SIGTSTP):
            _stop_too(found.si_signo)


def _stop_too(number: int) -> None:
    """The program stops, and so this process has to, or the shell would wait for it. The usual action, not
    SIGSTOP: without a shell that could continue it, the kernel stops neither."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.raise_signal(number)
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})


async def run_program(command: Sequence[str], environ: Mapping[str, str], signals: SignalsSentOn) -> int:
    """Run it to its end: its exit code, or minus the signal that ended it. Raises `ProgramNotStarted`."""
    try:
        process = await asyncio.create_subprocess_exec(*command, env=environ, preexec_fn=signals.restore)
    except FileNotFoundError:
        raise ProgramNotStarted(127, f"{command[0]}: not found") from None
    except OSError as error:
        raise ProgramNotStarted(126, f"{command[0]}: {error.strerror}") from None
    signals.send_to(process.pid)
    return await process.wait()


def end_like(code: int) -> int:
    """The exit code for a program's; one that a signal ended is followed by the same signal, if it may."""
    if code >= 0:
        return code
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    number = -code  # a real-time signal has no name
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 - code
