#!/bin/sh
# PyYAML 6.0.4, its wheel's libyaml: SafeLoader (Python) beside CSafeLoader (C), on documents that YAML 1.1 allows.
#
# Guess: the two loaders differ in speed only, so that a switch to the C loader changes no file's meaning; and since JSON
# is (nearly) YAML, both read what `json.dumps` writes.
#
# Seen: they disagree in both directions. A tab between a key's colon and its value, or before a comment, and a plain
# key that ends in `?` inside braces are read by C only. A directive `%YAML 1.3` is read by Python only. The escapes that
# `json.dumps` writes for a character outside the basic plane (two halves, \ud83d\ude00) are an error in C; Python returns
# a text of two lone halves, which fails later, when it is encoded.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check PyYAML==6.0.4 2>/dev/null
cat > run.py <<'PY'
import json

import yaml

documents = {
    "tab after colon": "a:\tb\n",
    "tab before comment": "a: b\t# c\n",
    "question mark in braces": "{a?: 1}\n",
    "directive 1.3": "%YAML 1.3\n---\na: 1\n",
    "json.dumps": json.dumps({"a": "\N{MUSICAL SYMBOL G CLEF}"}),
}


def read(loader: type, text: str) -> str:
    try:
        return ascii(yaml.load(text, loader))
    except yaml.YAMLError as error:
        return f"{type(error).__name__}"


for name, text in documents.items():
    print(f"{name}: Python {read(yaml.SafeLoader, text)}; C {read(yaml.CSafeLoader, text)}")
PY
venv/bin/python run.py | tee seen
cat > expected <<'TXT'
tab after colon: Python ScannerError; C {'a': 'b'}
tab before comment: Python ScannerError; C {'a': 'b'}
question mark in braces: Python ParserError; C {'a?': 1}
directive 1.3: Python {'a': 1}; C ParserError
json.dumps: Python {'a': '\ud834\udd1e'}; C ScannerError
TXT
diff expected seen
