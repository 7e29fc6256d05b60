"""Reading the operations out of the source of the `twilio` package: nothing of it is imported or called.

Owns the knowledge of how Twilio's generator lays the package out. Where the package looks otherwise it raises
`UnexpectedSource` naming the place, because a route silently left out would be a wrong answer at run time.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.twilio.catalogue.route import BodyKind
from gateway.twilio.catalogue.route_table import AUTHORIZATION, IDEMPOTENCY_KEY, Row

_DECLARED = frozenset({AUTHORIZATION, IDEMPOTENCY_KEY})
_HOST = re.compile(r"https://([a-z0-9-]+)\.twilio\.com")
_URI = re.compile(r"(?:/(?:[A-Za-z0-9_-]+|\{[A-Za-z0-9_]+\}))+(?:\.json)?")
_FORM = "application/x-www-form-urlencoded"
_CONTENT_TYPES = {
    _FORM: BodyKind.FORM,
    "application/json": BodyKind.JSON,
    "application/scim+json": BodyKind.JSON,
    "multipart/form-data": BodyKind.FORM,
}


class UnexpectedSource(RuntimeError):
    """The `twilio` package is laid out in a way this reader does not know: teach it, then regenerate."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}:{line}: {problem}")


def read_operations(package: Path) -> Iterator[Row]:
    """Every operation in `<package>/rest/<product>/<version>/**.py`, by file, repeats included."""
    for request in read_requests(package):
        kind, flags = _read_headers(request.function, request.method, request.path)
        yield Row(request.method, request.product, request.template, kind, flags)


class PackageRequest(NamedTuple):
    """One `self._version.<verb>(…)` of the package, and the source that surrounds it."""

    path: Path
    product: str
    method: str
    template: str
    module: ast.Module
    function: ast.FunctionDef
    call: ast.Call


def read_requests(package: Path) -> Iterator[PackageRequest]:
    """Every request that the package can send, in the order of its files."""
    for product_directory in sorted(_packages(package / "rest")):
        (base,) = product_directory.glob("*Base.py")
        host = _HOST.fullmatch(_super_argument(base))
        if host is None:
            raise UnexpectedSource(base, 1, "the base URL is not https://<product>.twilio.com")
        for version_directory in sorted(_packages(product_directory)):
            version = _super_argument(version_directory / "__init__.py").strip("/")
            for path in sorted(version_directory.rglob("*.py")):
                yield from _read_module(path, host[1], version)


def _packages(directory: Path) -> Iterator[Path]:
    return (path.parent for path in directory.glob("*/__init__.py"))


def _super_argument(path: Path) -> str:
    """The text in the file's one `super().__init__(…, "text")`: a base URL or a version prefix."""
    found = [
        node.args[1].value
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "__init__"
        and len(node.args) == 2
        and isinstance(node.args[1], ast.Constant)
    ]
    if len(found) != 1 or not isinstance(found[0], str):
        raise UnexpectedSource(path, 1, f"expected one super().__init__ with a text, found {found}")
    return found[0]


def _read_module(path: Path, product: str, version: str) -> Iterator[PackageRequest]:
    tree = ast.parse(path.read_text("utf-8"))
    for resource in tree.body:
        if not isinstance(resource, ast.ClassDef):
            continue
        uris = [node.value for node in ast.walk(resource) if isinstance(node, ast.Assign) and _sets_uri(node)]
        for function in resource.body:
            if not isinstance(function, ast.FunctionDef):  # the async twin of each would say the same again
                continue
            for call in ast.walk(function):
                if not (isinstance(call, ast.Call) and (method := _sent_method(call, path))):
                    continue
                if len(uris) != 1:
                    raise UnexpectedSource(
                        path, call.lineno, f"{resource.name} sets {len(uris)} URIs, not one"
                    )
                template = f"/{version}{_read_uri(uris[0], path)}"
                yield PackageRequest(path, product, method, template, tree, function, call)


def _sets_uri(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Attribute) and target.attr == "_uri" for target in node.targets)


def _sent_method(call: ast.Call, path: Path) -> str | None:
    """The method of `self._version.<verb>(method="GET", uri=self._uri, …)`; None for every other call."""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if not (isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "self._version"):
        return None
    if "uri" not in keywords:
        return None
    method = keywords.get("method")
    if ast.unparse(keywords["uri"]) != "self._uri" or not isinstance(method, ast.Constant):
        raise UnexpectedSource(path, call.lineno, "a request whose method or URI is computed")
    return str(method.value)


def _read_uri(value: ast.expr, path: Path) -> str:
    """`"/Messages/{sid}.json".format(**self._solution)` -> `/Messages/{Sid}`."""
    text = (
        value.func.value if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) else value
    )
    if not (isinstance(text, ast.Constant) and isinstance(text.value, str) and _URI.fullmatch(text.value)):
        raise UnexpectedSource(path, value.lineno, f"an unreadable URI: {ast.unparse(value)}")
    return re.sub(r"\{(\w+)\}", _documented_parameter, text.value.removesuffix(".json"))


def _documented_parameter(match: re.Match[str]) -> str:
    """The package says `{account_sid}` where the documentation says `{AccountSid}`."""
    return "{" + "".join(word[:1].upper() + word[1:] for word in match[1].split("_")) + "}"


def _read_headers(
    function: ast.FunctionDef, method: str, path: Path
) -> tuple[BodyKind | None, frozenset[str]]:
    """The body kind, by the last Content-Type that is set, and the declared headers the gateway asks about.

    GET and DELETE have no body, although the package gives some a Content-Type; a POST of nothing is a form.
    """
    headers: dict[str, ast.expr] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            headers |= _set_headers(node)
    flags = _DECLARED & {name.lower() for name in headers}
    if method in {"GET", "DELETE"}:
        return None, flags
    content_type = ast.literal_eval(headers.get("Content-Type", ast.Constant(_FORM)))
    if content_type not in _CONTENT_TYPES:
        raise UnexpectedSource(path, function.lineno, f"an unknown Content-Type: {content_type}")
    return _CONTENT_TYPES[content_type], flags


def _set_headers(node: ast.Assign) -> dict[str, ast.expr]:
    """What `headers = values.of({"Name": value})` or `headers["Name"] = value` sets."""
    target = node.targets[0]
    if isinstance(target, ast.Subscript) and ast.unparse(target.value) == "headers":
        return {ast.literal_eval(target.slice): node.value}
    if ast.unparse(target) != "headers":
        return {}
    mappings = [inner for inner in ast.walk(node.value) if isinstance(inner, ast.Dict)]
    return {
        ast.literal_eval(name): value
        for mapping in mappings
        for name, value in zip(mapping.keys, mapping.values, strict=True)
        if name is not None
    }
