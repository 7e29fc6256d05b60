#!/bin/sh
# mypy (mypyc) 2.4.1, Python 3.11 and newer; needs a C compiler.
#
# Guess: a module's `Final` is read in compiled code as in Python, whatever its type; a tuple of floats is no other than
# a tuple of ints.
#
# Seen: tuples of ints and of strings, and a single float, are read. A `Final` tuple of floats compiles without a warning,
# and its first use in a function of the module raises NameError, "value for final name … was not set", although the
# module's attribute is there when it is asked for from outside.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check mypy==2.4.1 setuptools==82.0.1 2>/dev/null
cat > bounds.py <<'PY'
from typing import Final

NUMBER: Final = 0.5
WHOLE: Final = (1, 2)
WORDS: Final = ("a", "b")
FRACTIONS: Final = (0.25, 0.5)


def number() -> float:
    return NUMBER + len(WORDS[0])


def whole(at: int) -> int:
    return WHOLE[at]


def words(at: int) -> str:
    return WORDS[at]


def fractions(at: int) -> float:
    return FRACTIONS[at]
PY
cat > run.py <<'PY'
import bounds

build = "interpreted" if bounds.__file__.endswith(".py") else "compiled"
print(f"{build} number: {bounds.number()}")
for name in ("whole", "words", "fractions"):
    try:
        print(f"{build} {name}: {getattr(bounds, name)(1)!r}")
    except NameError as error:
        print(f"{build} {name}: NameError: {error}; from outside {getattr(bounds, name.upper())}")
PY
venv/bin/mypy --strict bounds.py > mypy.out || { cat mypy.out; exit 1; }
venv/bin/python run.py | tee seen
venv/bin/mypyc bounds.py > build.out 2>&1 || { cat build.out; exit 1; }
venv/bin/python run.py | tee -a seen
cat > expected <<'TXT'
interpreted number: 1.5
interpreted whole: 2
interpreted words: 'b'
interpreted fractions: 0.5
compiled number: 1.5
compiled whole: 2
compiled words: 'b'
compiled fractions: NameError: value for final name "FRACTIONS" was not set; from outside (0.25, 0.5)
TXT
diff expected seen
