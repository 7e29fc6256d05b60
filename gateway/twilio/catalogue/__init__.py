"""The catalogue of Twilio's routes: which template, label and body kind belong to (product, method, path).

`routes.tsv` and `parameters.tsv` are generated from the source of the `twilio` package by `generate.py` and
its two readers, which the running gateway never imports. Everything here is pure; what a consumer may do with
a route is decided in `policy/`.
"""

from functools import cache
from importlib.resources import files

from gateway.twilio.catalogue.hosts import UPLOAD_HOSTS
from gateway.twilio.catalogue.parameter_table import (
    ParameterClass,
    ParameterClasses,
    ParameterTable,
    parse_operations,
)
from gateway.twilio.catalogue.route import OTHER, UNLISTED, BodyKind, Route
from gateway.twilio.catalogue.route_table import parse_table
from gateway.twilio.catalogue.route_trie import SUFFIXES, Catalogue

__all__ = [
    "OTHER",
    "SUFFIXES",
    "UNLISTED",
    "UPLOAD_HOSTS",
    "BodyKind",
    "Catalogue",
    "ParameterClass",
    "Route",
    "load_catalogue",
]


@cache
def load_catalogue() -> Catalogue:
    """The catalogue of the files shipped in this package: read once, in some 30 ms, and never changed."""
    classes = ParameterClasses(_read("parameter_classes.tsv"))
    parameters = ParameterTable(classes, parse_operations(_read("parameters.tsv")))
    return Catalogue(parse_table(_read("routes.tsv")), parameters)


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text("utf-8")
