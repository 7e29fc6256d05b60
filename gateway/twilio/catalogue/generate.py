"""Writes `routes.tsv` from the installed `twilio` package.

Run it as `python -m gateway.twilio.catalogue.generate [--check]`.

A development command: the package is a development dependency, and the running gateway reads only the file.
"""

import argparse
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from gateway.twilio.catalogue.hosts import UPLOAD_ROUTES
from gateway.twilio.catalogue.package_reader import read_operations
from gateway.twilio.catalogue.route import BodyKind
from gateway.twilio.catalogue.route_table import COMMAND, Row, render_table

TABLE = Path(__file__).with_name("routes.tsv")


def build_table() -> str:
    """The text that `routes.tsv` must hold. Raises ModuleNotFoundError without the `twilio` package."""
    spec = find_spec("twilio")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "the catalogue is made from the package twilio: install the dev dependencies"
        )
    uploads = (
        Row(method, product, template, BodyKind.ANY if method == "POST" else None, frozenset())
        for method, product, template in UPLOAD_ROUTES
    )
    operations = merge_operations([*read_operations(Path(spec.origin).parent), *uploads])
    return render_table(operations, version("twilio"))


def merge_operations(rows: list[Row]) -> list[Row]:
    """One row per (method, product, template), with the headers that any of its repeats declares.

    A listing is in the package twice: a page, and a page with its response. ValueError if repeats disagree.
    """
    merged: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        earlier = merged.setdefault(row[:3], row)
        if earlier.body_kind is not row.body_kind:
            raise ValueError(f"two body kinds for {' '.join(row[:3])}: {earlier.body_kind}, {row.body_kind}")
        merged[row[:3]] = earlier._replace(flags=earlier.flags | row.flags)
    return list(merged.values())


def main(arguments: list[str] | None = None) -> int:
    """Writes the file, or with `--check` says whether it is what would be written: exit status 0 or 1."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Generate the catalogue of routes.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if it is out of date")
    check = parser.parse_args(arguments).check
    text = build_table()
    if not check:
        TABLE.write_text(text, "utf-8")
        print(f"{TABLE}: {sum(not line.startswith('#') for line in text.splitlines())} routes")
        return 0
    if TABLE.read_text("utf-8") == text:
        return 0
    print(f"{TABLE} is out of date: run {COMMAND}, look at the difference, and commit it.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
