"""Writes `routes.tsv` and `parameters.tsv` from the installed `twilio` package.

Run it as `python -m gateway.twilio.catalogue.generate [--check]`.

A development command: the package is a development dependency, and the running gateway reads only the files.
Parameters that have no row in `parameter_classes.tsv` yet are listed: a person must say what each can do.
"""

import argparse
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from gateway.twilio.catalogue.hosts import UPLOAD_ROUTES
from gateway.twilio.catalogue.package_reader import read_operations
from gateway.twilio.catalogue.parameter_reader import Parameter, read_parameters
from gateway.twilio.catalogue.parameter_table import OperationParameters, ParameterClasses, render_operations
from gateway.twilio.catalogue.route import BodyKind
from gateway.twilio.catalogue.route_table import COMMAND, Row, render_table

TABLE = Path(__file__).with_name("routes.tsv")
PARAMETERS = Path(__file__).with_name("parameters.tsv")
CLASSES = Path(__file__).with_name("parameter_classes.tsv")


def build_table() -> str:
    """The text that `routes.tsv` must hold. Raises ModuleNotFoundError without the `twilio` package."""
    uploads = (
        Row(method, product, template, BodyKind.ANY if method == "POST" else None, frozenset())
        for method, product, template in UPLOAD_ROUTES
    )
    operations = merge_operations([*read_operations(_find_package()), *uploads])
    return render_table(operations, version("twilio"))


def build_parameters() -> str:
    """The text that `parameters.tsv` must hold. Raises ModuleNotFoundError without the `twilio` package."""
    return render_operations(merge_parameters(package_parameters()), version("twilio"), COMMAND)


@cache
def package_parameters() -> tuple[Parameter, ...]:
    """Every parameter of the installed package, read once: it takes seconds."""
    return tuple(read_parameters(_find_package()))


def _find_package() -> Path:
    spec = find_spec("twilio")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "the catalogue is made from the package twilio: install the dev dependencies"
        )
    return Path(spec.origin).parent


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


def merge_parameters(parameters: Iterable[Parameter]) -> list[OperationParameters]:
    """One row per operation, its names sorted and without repeats."""
    merged: dict[tuple[str, str, str], set[str]] = {}
    for each in parameters:
        merged.setdefault(each[:3], set()).add(each.name)
    return [OperationParameters(*operation, tuple(sorted(names))) for operation, names in merged.items()]


def find_unclassified(parameters: Iterable[Parameter], classes: ParameterClasses) -> list[Parameter]:
    """The parameters of the package that have no row in `parameter_classes.tsv`."""
    return [each for each in parameters if classes.find(each.product, each.template, each.name) is None]


def find_stale(parameters: Iterable[Parameter], classes: ParameterClasses) -> list[tuple[str, str]]:
    """(name, scope) of rows in `parameter_classes.tsv` that no parameter of the package uses.

    A row about the inside of a document belongs to the parameter that holds it.
    """
    used: set[tuple[str, str]] = set()
    for each in parameters:
        scopes = (f"{each.product} {each.template}", each.product, "*")
        scope = next((scope for scope in scopes if (each.name, scope) in classes.reasons), None)
        if scope is not None:
            used.add((each.name, scope))
    names = {name for name, _ in used}
    return [
        (name, scope)
        for name, scope in classes.reasons
        if (name, scope) not in used and not any(name.startswith(f"{parent}.") for parent in names)
    ]


def main(arguments: list[str] | None = None) -> int:
    """Writes the files, or with `--check` says whether they are up to date: exit status 0 or 1."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Generate the catalogue of routes.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    check = parser.parse_args(arguments).check
    status = 0
    for path, text in ((TABLE, build_table()), (PARAMETERS, build_parameters())):
        if not check:
            path.write_text(text, "utf-8")
            print(f"{path}: {sum(not line.startswith('#') for line in text.splitlines())} rows")
        elif path.read_text("utf-8") != text:
            print(
                f"{path} is out of date: run {COMMAND}, look at the difference, and commit it.",
                file=sys.stderr,
            )
            status = 1
    return _report_classes() or status


def _report_classes() -> int:
    """Name what a person must classify, or take out of `parameter_classes.tsv`."""
    parameters = package_parameters()
    classes = ParameterClasses(CLASSES.read_text("utf-8"))
    missing, stale = find_unclassified(parameters, classes), find_stale(parameters, classes)
    for each in missing:
        place = f"{each.method} {each.product} {each.template}"
        print(f"{CLASSES}: classify {each.name} ({each.annotation}) of {place}", file=sys.stderr)
    for name, scope in stale:
        print(f"{CLASSES}: {name} {scope} is used by no operation: remove the row", file=sys.stderr)
    return 1 if missing or stale else 0


if __name__ == "__main__":
    sys.exit(main())
