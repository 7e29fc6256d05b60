#!/bin/sh
# mypy (mypyc) 2.4.1, Python 3.11 and newer; needs a C compiler.
#
# Guess: a default in a class's body (`closes = False`) is there on each instance of the compiled class, as in
# Python; whether the class derives from `object` or from `Exception` does not matter. Or mypyc refuses to compile.
#
# Seen: it compiles without a warning. On a plain class the default is there. On a class derived from Exception
# (and on what derives from that) the attribute is undefined until it is assigned: AttributeError at its first use.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check mypy==2.4.1 setuptools==82.0.1 2>/dev/null
cat > refusals.py <<'PY'
class Plain:
    closes = False


class Refusal(Exception):
    closes = False


class Late(Refusal):
    pass
PY
cat > run.py <<'PY'
import refusals

build = "interpreted" if refusals.__file__.endswith(".py") else "compiled"
for kind in (refusals.Plain, refusals.Refusal, refusals.Late):
    try:
        print(f"{build} {kind.__name__}: {kind().closes}")
    except AttributeError as error:
        print(f"{build} {kind.__name__}: AttributeError: {error}")
PY
venv/bin/mypy --strict refusals.py > mypy.out || { cat mypy.out; exit 1; }
venv/bin/python run.py | tee seen
venv/bin/mypyc refusals.py > build.out 2>&1 || { cat build.out; exit 1; }
if grep -i warning: build.out | grep refusals; then echo "mypyc warns now"; exit 1; fi
venv/bin/python run.py | tee -a seen
cat > expected <<'TXT'
interpreted Plain: False
interpreted Refusal: False
interpreted Late: False
compiled Plain: False
compiled Refusal: AttributeError: 'Refusal' object has no attribute 'closes'
compiled Late: AttributeError: 'Late' object has no attribute 'closes'
TXT
diff expected seen
