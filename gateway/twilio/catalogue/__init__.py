"""The catalogue of Twilio's routes: which template, label and body kind belong to (product, method, path).

`routes.tsv` is generated from the source of the `twilio` package by `generate.py` and `sources.py`, which the
running gateway never imports. Everything here is pure; what a consumer may do with a route is policy's.
"""

from importlib.resources import files

from gateway.twilio.catalogue.hosts import UPLOAD_HOSTS
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
    "Route",
    "load_catalogue",
]


def load_catalogue() -> Catalogue:
    """The catalogue of `routes.tsv`, the file shipped in this package. Takes some 20 ms: call it once."""
    return Catalogue(parse_table(files(__name__).joinpath("routes.tsv").read_text("utf-8")))
