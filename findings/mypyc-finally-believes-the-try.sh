#!/bin/sh
# mypy (mypyc) 2.4.1, Python 3.11 and newer; needs a C compiler: what a `finally` block reads after its `try` was left by an exception.
#
# Guess: a variable that is None before the `try`, and gets a string in it, is None in `finally` if the string never came. mypy
# accepts the code and infers `str | None` there, and compiled code checks types at run time, so both builds say the same.
#
# Seen: compiled, the first read of the variable in `finally` raises TypeError "str object expected; got None". The block is compiled
# with what is known where the `try` ended well. Nothing after that read is run, and the TypeError takes the place of the exception
# that was on its way, so that a log or a lock's owner sees another fault than there was. A test of None, `repr` and an f-string do it.
# In `except` the variable is None, as in the interpreter.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check mypy==2.4.1 setuptools==82.0.1 2>/dev/null
cat > work.py <<'PY'
from collections.abc import Callable

Read = Callable[[], str]


def tested(read: Read, log: list[str]) -> None:
    answer: str | None = None
    try:
        answer = read()
    finally:
        if answer is None:
            log.append("no answer")


def shown(read: Read, log: list[str]) -> None:
    size: int | None = None
    try:
        size = len(read())
    finally:
        log.append(f"size {size}")


async def awaited(read: Read, log: list[str]) -> None:
    answer: str | None = None
    try:
        answer = read()
    finally:
        log.append(repr(answer))


def caught(read: Read, log: list[str]) -> None:
    answer: str | None = None
    try:
        answer = read()
    except OSError:
        log.append(repr(answer))
        raise
PY
cat > run.py <<'PY'
import asyncio

import work


def lose() -> str:
    raise OSError("lost")


build = "interpreted" if work.__file__.endswith(".py") else "compiled"
for function in (work.tested, work.shown, work.awaited, work.caught):
    log: list[str] = []
    try:
        coroutine = function(lose, log)
        if coroutine is not None:
            asyncio.run(coroutine)
    except Exception as error:
        print(f"{build}: {function.__name__}: {type(error).__name__}: {error}; log {log}")
PY
venv/bin/mypy --strict work.py
venv/bin/python run.py | tee seen
venv/bin/mypyc work.py > build.out 2>&1 || { cat build.out; exit 1; }
venv/bin/python run.py | tee -a seen
diff - seen <<'END'
interpreted: tested: OSError: lost; log ['no answer']
interpreted: shown: OSError: lost; log ['size None']
interpreted: awaited: OSError: lost; log ['None']
interpreted: caught: OSError: lost; log ['None']
compiled: tested: TypeError: str object expected; got None; log []
compiled: shown: TypeError: int object expected; got None; log []
compiled: awaited: TypeError: str object expected; got None; log []
compiled: caught: OSError: lost; log ['None']
END
