#!/bin/sh
# duckdb 2.0.1, polars 2.1.0 and pyarrow 26.0.1: a log of 25,000 JSON lines, in which a field is null, whole or true until one line near
# the end says otherwise: the first error, the first duration with a fraction, the first word where a flag was.
#
# Guess: what infers a schema from the first lines widens the type when it meets a later one, as a table of SQL would be altered by
# hand, or refuses the file and names the line. DuckDB, with its hint "try increasing sample_size", is of the second kind.
#
# Seen: polars refuses, and pyarrow widens. DuckDB refuses texts where a number was, and passes over the rest in silence: the
# only error in the log is NULL, a duration of 0.25 s is 0, and "yes" is true. With `sample_size=-1` nothing is lost (texts in a
# column of two types keep their quotation marks). A field that is missing until then is no column, in DuckDB and in polars.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1 2>/dev/null
cat > run.py <<'PY'
import json

import duckdb
import polars
import pyarrow.json

LINES, LATE = 25_000, 24_990
CASES = {
    "error": (None, "lost"),
    "seconds": (1, 0.25),
    "answered": (True, "yes"),
    "status": (201, "lost"),
}


def by_duckdb(field, options=""):
    found = duckdb.sql(f"SELECT {field} FROM read_json('log.jsonl'{options}) WHERE n = {LATE}")
    return found.fetchall()[0][0]


READERS = {
    "duckdb": by_duckdb,
    "duckdb, all lines first": lambda field: by_duckdb(field, ", sample_size=-1"),
    "polars": lambda field: polars.read_ndjson("log.jsonl")[field][LATE],
    "pyarrow": lambda field: pyarrow.json.read_json("log.jsonl")[field][LATE].as_py(),
}
for field, (early, late) in CASES.items():
    with open("log.jsonl", "w") as file:
        for n in range(LINES):
            print(json.dumps({"n": n, field: late if n == LATE else early}), file=file)
    said = []
    for reader, read in READERS.items():
        try:
            said.append(f"{reader} {read(field)!r}")
        except (duckdb.Error, polars.exceptions.PolarsError, pyarrow.ArrowInvalid):
            said.append(f"{reader} refuses")
    print(f"{field}, {early!r} and late {late!r}: {'; '.join(said)}")
with open("log.jsonl", "w") as file:
    for n in range(LINES):
        print(json.dumps({"n": n} | ({"error": "lost"} if n == LATE else {})), file=file)
names = {
    "duckdb": duckdb.sql("FROM 'log.jsonl'").columns,
    "polars": polars.read_ndjson("log.jsonl").columns,
    "pyarrow": pyarrow.json.read_json("log.jsonl").schema.names,
}
print("error, missing until then:", "; ".join(f"{reader} {'error' in columns}" for reader, columns in names.items()))
PY
venv/bin/python run.py | tee seen
cat > expected <<'TXT'
error, None and late 'lost': duckdb None; duckdb, all lines first 'lost'; polars refuses; pyarrow 'lost'
seconds, 1 and late 0.25: duckdb 0; duckdb, all lines first 0.25; polars refuses; pyarrow 0.25
answered, True and late 'yes': duckdb True; duckdb, all lines first '"yes"'; polars refuses; pyarrow refuses
status, 201 and late 'lost': duckdb refuses; duckdb, all lines first '"lost"'; polars refuses; pyarrow refuses
error, missing until then: duckdb False; polars False; pyarrow True
TXT
diff expected seen
