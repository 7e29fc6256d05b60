#!/bin/sh
# mypy (mypyc) 2.4.1, Python 3.11 and newer; needs a C compiler.
#
# Guess: `frozenset & mapping.keys()` is a frozenset, as `frozenset & set` is and as mypy reveals it; code that is
# clean under `mypy --strict` does the same once it is compiled.
#
# Seen: it is a set. `frozenset.__and__` declines a view of keys, and the view's `__rand__` makes a plain set.
# Interpreted code gets the wrong type and goes on; compiled code checks it, even if the result is only asked for
# its truth, and raises "TypeError: frozenset object expected; got set".
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check mypy==2.4.1 setuptools==82.0.1 2>/dev/null
cat > meets.py <<'PY'
def meets(classes: frozenset[str], checks: dict[str, int]) -> bool:
    if classes & checks.keys():
        return True
    return False
PY
cat > run.py <<'PY'
import meets

build = "interpreted" if meets.__file__.endswith(".py") else "compiled"
try:
    print(f"{build}: {meets.meets(frozenset({'a'}), {'a': 1})}")
except TypeError as error:
    print(f"{build}: TypeError: {error}")
PY
venv/bin/mypy --strict meets.py > mypy.out || { cat mypy.out; exit 1; }
venv/bin/python -c 'print("kind:", type(frozenset({"a"}) & {"a": 1}.keys()).__name__)' | tee seen
venv/bin/python run.py | tee -a seen
venv/bin/mypyc meets.py > build.out 2>&1 || { cat build.out; exit 1; }
venv/bin/python run.py | tee -a seen
cat > expected <<'TXT'
kind: set
interpreted: True
compiled: TypeError: frozenset object expected; got set
TXT
diff expected seen
