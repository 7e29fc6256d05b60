"""Reading the parameters of every request with a body out of the source of the `twilio` package.

A form's parameters are the keys of `data = values.of({…})`. A JSON body's are the keys that `to_dict` of its
model writes, each by the whole path of names that leads to it (`webhook.callback_url`); lists do not show in
a path. Where the package looks otherwise, `UnexpectedSource` names the place.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.twilio.catalogue.package_reader import PackageRequest, UnexpectedSource, read_requests

WHOLE_BODY = "*"
"""Represents a JSON body whose names the package does not list (`body: object`)."""

_TYPE_NAME = re.compile(r"[A-Za-z_]\w*")


class Parameter(NamedTuple):
    """A parameter of an operation. `annotation` is its type as the package has it, for the reviewer."""

    method: str
    product: str
    template: str
    name: str
    annotation: str


def read_parameters(package: Path) -> Iterator[Parameter]:
    """Every parameter of every request body in the package, repeats included."""
    for request in read_requests(package):
        data = [keyword.value for keyword in request.call.keywords if keyword.arg == "data"]
        if data:
            for name, annotation in _read_body(request):
                yield Parameter(request.method, request.product, request.template, name, annotation)


def _read_body(request: PackageRequest) -> Iterator[tuple[str, str]]:
    values = [
        node.value
        for node in ast.walk(request.function)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "data"
    ]
    value = values[0] if len(values) == 1 else None
    annotations = {
        argument.arg: ast.unparse(argument.annotation)
        for argument in request.function.args.args
        if argument.annotation is not None
    }
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "values.of":
        yield from _read_form(value, annotations, request)
    elif value is not None and (model := ast.unparse(value)).endswith(".to_dict()"):
        yield from _read_json(annotations.get(model.removesuffix(".to_dict()"), ""), request)
    else:
        raise UnexpectedSource(request.path, request.function.lineno, "a request whose body is computed")


def _read_form(
    value: ast.Call, annotations: dict[str, str], request: PackageRequest
) -> Iterator[tuple[str, str]]:
    mapping = value.args[0]
    if not isinstance(mapping, ast.Dict):
        raise UnexpectedSource(request.path, value.lineno, "a form whose parameters are computed")
    for key, given in zip(mapping.keys, mapping.values, strict=True):
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
            raise UnexpectedSource(request.path, value.lineno, "a parameter whose name is computed")
        names = [node.id for node in ast.walk(given) if isinstance(node, ast.Name) and node.id in annotations]
        yield key.value, annotations[names[0]] if names else ""


def _read_json(annotation: str, request: PackageRequest) -> Iterator[tuple[str, str]]:
    models = {
        model.name: model
        for resource in request.module.body
        if isinstance(resource, ast.ClassDef)
        for model in resource.body
        if isinstance(model, ast.ClassDef) and _find_method(model, "to_dict") is not None
    }
    model = _model_of(annotation, models)
    if model is None:
        yield WHOLE_BODY, annotation
    else:
        yield from _read_model(model, models, "", frozenset({model}), request)


def _read_model(
    name: str,
    models: dict[str, ast.ClassDef],
    prefix: str,
    open_models: frozenset[str],
    request: PackageRequest,
) -> Iterator[tuple[str, str]]:
    model = models[name]
    types = {
        node.target.attr: ast.unparse(node.annotation)
        for node in ast.walk(model)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute)
    }
    to_dict = _find_method(model, "to_dict")
    returned = to_dict.body[-1] if to_dict is not None else None
    if not (isinstance(returned, ast.Return) and isinstance(returned.value, ast.Dict)):
        raise UnexpectedSource(request.path, model.lineno, f"{name}.to_dict does not return a dictionary")
    for key, value in zip(returned.value.keys, returned.value.values, strict=True):
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
            raise UnexpectedSource(request.path, model.lineno, f"{name} has a name that is computed")
        attributes = [
            node.attr
            for node in ast.walk(value)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
        ]
        annotation = types.get(attributes[0], "") if attributes else ""
        inner = _model_of(annotation, models)
        path = f"{prefix}{key.value}"
        if inner is None or inner in open_models:
            yield path, annotation
        else:
            yield from _read_model(inner, models, f"{path}.", open_models | {inner}, request)


def _model_of(annotation: str, models: dict[str, ast.ClassDef]) -> str | None:
    """The model in a type such as `Optional[List[PotList.Cup]]`."""
    return next((name for name in reversed(_TYPE_NAME.findall(annotation)) if name in models), None)


def _find_method(model: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    functions = (node for node in model.body if isinstance(node, ast.FunctionDef))
    return next((function for function in functions if function.name == name), None)
