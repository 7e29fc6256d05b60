"""Finding the route of a request path: a trie of path segments per product, literals before parameters.

Knows nothing of policy, and of Twilio only what the rows tell it. `match` is on the path of every request:
no regular expression, no allocation but the segments and the rare branch to come back to.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from gateway.twilio.catalogue.hosts import PRODUCTS_WITHOUT_ROUTES, UPLOAD_HOSTS, unknown_body_kind
from gateway.twilio.catalogue.parameter_index import NO_INDEX, ParameterIndex
from gateway.twilio.catalogue.parameter_table import NO_PARAMETERS, ParameterTable
from gateway.twilio.catalogue.route import OTHER, UNLISTED, Route
from gateway.twilio.catalogue.route_table import IDEMPOTENCY_KEY, Row

SUFFIXES: Final = (".json", ".xml", ".csv", ".mp3", ".wav")
"""The representations a last segment may ask for; `foo.bar` is a name and keeps its dot."""


class _Node:
    """The segments that may follow, and, where a template ends, its routes by method."""

    __slots__ = ("literals", "parameter", "routes", "unlisted")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.routes: dict[str, Route] = {}
        self.unlisted: Route | None = None  # the answer to any other method; None: no template ends here


class Catalogue:
    """Every route the gateway knows. Immutable once built, and safe to share between threads."""

    def __init__(self, rows: Iterable[Row], parameters: ParameterTable | None = None) -> None:
        self._parameters = parameters
        self.parameter_index = NO_INDEX if parameters is None else ParameterIndex(parameters.classes)
        """All parameter names, whatever operation they belong to."""
        self._roots: dict[str, _Node] = {}
        self._others: dict[str, Route] = {}
        self._most_segments = 0
        listed = tuple(self._add(row) for row in rows)
        for product in {*self._roots, *UPLOAD_HOSTS, *PRODUCTS_WITHOUT_ROUTES}:
            self._roots.setdefault(product, _Node())
            self._others[product] = _other_route(product, self.parameter_index)
        for product, root in self._roots.items():
            _alias_methods(root, product)
        self.routes: tuple[Route, ...] = listed
        """One for each row, in the order of the file."""
        self.products: frozenset[str] = frozenset(self._roots)
        """All product labels, with those of which no route is known."""
        self.labels: frozenset[str] = frozenset({OTHER, *(route.label for route in listed)})
        """Every label that `match` can give."""
        self.hosts: Mapping[str, str] = MappingProxyType({host: name for name, host in UPLOAD_HOSTS.items()})
        """Literal host -> product: the hosts without regional forms. Every other product has `host_of`."""

    def match(self, product: str, method: str, path: str) -> Route:
        """The route of a request; always one, and one whose label is bounded.

        `path` is canonical (docs/design.md 4.1), percent-encoded, without the query; case matters. HEAD has
        GET's route, and PUT on `api` POST's. A method not listed on a known path gets the path's label and
        `known=False`; a path that is not known, `OTHER`. So does a trailing slash: nothing says that Twilio
        takes it for the same path.
        """
        node = self._roots.get(product)
        if node is None:  # `upstream.extra_hosts`: a host of the configuration's own
            return _other_route(product, self.parameter_index)
        path_segments = path.split(
            "/", self._most_segments
        )  # a longer path has one segment too many: no match
        if path_segments[-1].endswith(SUFFIXES):
            path_segments[-1] = path_segments[-1].rpartition(".")[0]
        depth, end = 0, len(path_segments)
        branches: list[tuple[int, _Node]] = []  # parameters passed over for a literal
        nearest: Route | None = None  # a path that fits, but does not list the method
        while True:
            if depth < end:
                segment = path_segments[depth]
                depth += 1
                parameter = node.parameter if segment else None
                literal = node.literals.get(segment)
                if literal is not None:
                    if parameter is not None:
                        branches.append((depth, parameter))
                    node = literal
                    continue
                if parameter is not None:
                    node = parameter
                    continue
            elif node.unlisted is not None:
                # voice: POST /v2/Configurations/Recording/Default is {Type}/Default, although the path
                # fits Recording/{IdOrUniqueName}, too.
                route = node.routes.get(method)
                if route is not None:
                    return route
                nearest = nearest or node.unlisted
            if not branches:
                return nearest or self._others[product]
            depth, node = branches.pop()

    def _add(self, row: Row) -> Route:
        path_segments = row.template.split("/")
        self._most_segments = max(self._most_segments, len(path_segments))
        node = self._roots.setdefault(row.product, _Node())
        for segment in path_segments:
            if segment.startswith("{"):
                if node.parameter is None:
                    node.parameter = _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        route = self._row_route(row)
        if row.method in node.routes:
            raise ValueError(f"two routes for {row.method} {row.product} {row.template}")
        node.routes[row.method] = route
        if node.unlisted is None:
            node.unlisted = _unlisted_route(route)
        return route

    def _row_route(self, row: Row) -> Route:
        parameters = NO_PARAMETERS if self._parameters is None else self._parameters.of(*row[:3])
        return Route(
            product=row.product,
            method=row.method,
            template=row.template,
            label=row.template,
            body_kind=row.body_kind or unknown_body_kind(row.product),
            known=True,
            instance=row.template.endswith("}"),
            idempotency_key=IDEMPOTENCY_KEY in row.flags,
            parameters=parameters,
            index=self.parameter_index,
        )


def _alias_methods(node: _Node, product: str) -> None:
    """HEAD takes GET's route; on `api`, PUT takes POST's (docs/design.md 4.4)."""
    if "GET" in node.routes:
        node.routes.setdefault("HEAD", node.routes["GET"])
    if product == "api" and "POST" in node.routes:
        node.routes.setdefault("PUT", node.routes["POST"])
    for child in (*node.literals.values(), node.parameter):
        if child is not None:
            _alias_methods(child, product)


def _unlisted_route(listed: Route) -> Route:
    return Route(
        product=listed.product,
        method=UNLISTED,
        template=listed.template,
        label=listed.label,
        body_kind=unknown_body_kind(listed.product),
        known=False,
        instance=listed.instance,
        index=listed.index,
    )


def _other_route(product: str, index: ParameterIndex) -> Route:
    kind = unknown_body_kind(product)
    return Route(product, UNLISTED, OTHER, OTHER, kind, known=False, instance=False, index=index)
