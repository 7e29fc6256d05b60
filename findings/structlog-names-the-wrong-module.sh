#!/bin/sh
# structlog 26.1.0 (CallsiteParameterAdder), Python's logging and warnings, in a module compiled by mypy (mypyc) 2.4.1; needs a C compiler.
#
# Guess: a compiled function keeps its place in the records, since its tracebacks have file, name and line; where a frame is missing,
# the fields are empty, or "unknown", as logging has a word for it.
#
# Seen: the records are filled in with the nearest *interpreted* caller: another module, function and line that exist and never
# logged anything. Under asyncio that is asyncio/events.py. `stacklevel=2` of a warning points one more frame too far. Filters and dashboards
# by module change on the day the module is compiled, and the traceback of the same function is right.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check mypy==2.4.1 setuptools==82.0.1 structlog==26.1.0 2>/dev/null
cat > work.py <<'PY'
import logging
import warnings

import structlog

log = structlog.get_logger()


def say() -> None:
    log.info("said")
    logging.getLogger("work").warning("said")


def warn() -> None:
    warnings.warn("old", DeprecationWarning, stacklevel=2)


def fail() -> None:
    raise ValueError
PY
cat > run.py <<'PY'
import asyncio
import logging
import sys
import traceback
import warnings

import structlog
from structlog.processors import CallsiteParameter, CallsiteParameterAdder, LogfmtRenderer

import work

logging.basicConfig(format="logging:   module=%(module)s func_name=%(funcName)s", stream=sys.stdout)
fields = CallsiteParameter.MODULE, CallsiteParameter.FUNC_NAME
renderer = LogfmtRenderer(key_order=["module", "func_name"])
structlog.configure([CallsiteParameterAdder(fields), lambda _, __, event: "structlog: " + renderer(_, __, event)])


def call_it() -> None:
    work.say()


async def main() -> None:
    asyncio.get_running_loop().call_soon(work.say)
    await asyncio.sleep(0)


def call_warn() -> None:
    work.warn()


def outer() -> None:
    call_warn()


print("interpreted" if work.__file__.endswith(".py") else "compiled")
call_it()
asyncio.run(main())
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    outer()
with open(__file__) as source:
    print("warning at:", source.read().splitlines()[caught[0].lineno - 1].strip())
try:
    work.fail()
except ValueError as error:
    last = traceback.extract_tb(error.__traceback__)[-1]
    print(f"traceback: {last.filename.rpartition('/')[2]} {last.name}")
PY
venv/bin/python run.py | tee seen
venv/bin/mypyc work.py > build.out 2>&1 || { cat build.out; exit 1; }
venv/bin/python run.py | tee -a seen
cat > expected <<'TXT'
interpreted
structlog: module=work func_name=say event=said
logging:   module=work func_name=say
structlog: module=work func_name=say event=said
logging:   module=work func_name=say
warning at: work.warn()
traceback: work.py fail
compiled
structlog: module=run func_name=call_it event=said
logging:   module=run func_name=call_it
structlog: module=events func_name=_run event=said
logging:   module=events func_name=_run
warning at: call_warn()
traceback: work.py fail
TXT
diff expected seen
