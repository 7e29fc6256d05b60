#!/bin/sh
# mypy (mypyc) 2.4.1, Python 3.11 and newer; needs a C compiler: an `await` that was forgotten, and a task that waits for ever.
#
# Guess: compiled or not, a coroutine that is dropped says "coroutine 'send' was never awaited", and a task that hangs can be asked
# where: `get_stack()`, `print_stack()` and its repr name the function and the line. Tracebacks of compiled code have both, too.
#
# Seen: compiled, nothing warns, and the call has no effect. The waiting task has an
# empty stack, and its repr has neither name nor line. `inspect.iscoroutinefunction` still says True, while `inspect.iscoroutine` of
# what the function gave says False. A test that looks for the warning has to run the interpreted build.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check mypy==2.4.1 setuptools==82.0.1 2>/dev/null
cat > work.py <<'PY'
import asyncio


async def send() -> int:
    await asyncio.sleep(0)
    return 1


async def forget() -> None:
    send()  # type: ignore[unused-coroutine]


async def wait(gate: asyncio.Event) -> None:
    await gate.wait()
PY
cat > run.py <<'PY'
import asyncio
import gc
import inspect
import warnings

import work


async def main() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await work.forget()
        gc.collect()
    gate = asyncio.Event()
    task = asyncio.create_task(work.wait(gate))
    await asyncio.sleep(0)
    stack = [frame.f_code.co_name for frame in task.get_stack()]
    kinds = inspect.iscoroutinefunction(work.wait), inspect.iscoroutine(task.get_coro())
    build = "interpreted" if work.__file__.endswith(".py") else "compiled"
    print(f"{build}: warnings {[str(warning.message) for warning in caught]}, stack {stack}, {kinds}")
    print(f"{build}: the line is in the repr: {'work.py:' in repr(task)}")
    gate.set()
    await task


asyncio.run(main())
PY
venv/bin/python run.py | tee seen
venv/bin/mypyc work.py > build.out 2>&1 || { cat build.out; exit 1; }
venv/bin/python run.py | tee -a seen
cat > expected <<'TXT'
interpreted: warnings ["coroutine 'send' was never awaited"], stack ['wait'], (True, True)
interpreted: the line is in the repr: True
compiled: warnings [], stack [], (True, False)
compiled: the line is in the repr: False
TXT
diff expected seen
