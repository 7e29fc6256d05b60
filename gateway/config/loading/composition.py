"""What consumers have from `defaults` and from their `groups`, written out. Pure, on plain values.

A value of the consumer's own comes first, then those of its groups in their order, then the default's. Rules
and limits add up: `allow` is the union, and all `limits` hold; of limits with the same name the nearest one
holds. `form` is taken name by name.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.config.problems import KeyPath

_ADDED_UP: Final = ("allow", "limits")
_BY_NAME: Final = ("form",)
_OWN: Final = frozenset({"keys", "certificates", "jwt", "usernames", "groups", "expires", "shared"})
"""Names that stand for one consumer alone. In a group the schema refuses them."""

Layer = tuple[KeyPath, Mapping[str, Any]]
"""The path of a consumer, a group or the defaults, and what is written there."""


def compose_consumers(tree: Mapping[str, object]) -> tuple[dict[str, object], dict[KeyPath, KeyPath]]:
    """The tree with consumers written out, and for each path that was not written there, where it was.

    What has not the form it should have is left as it is: the schema reports it.
    """
    composed = {name: value for name, value in tree.items() if not name.startswith("x-")}
    moved: dict[KeyPath, KeyPath] = {}
    consumers = composed.get("consumers")
    if not isinstance(consumers, dict):
        return composed, moved
    groups, defaults = composed.get("groups"), composed.get("defaults")
    shared: Layer = (("defaults",), defaults if isinstance(defaults, dict) else {})
    written: dict[str, object] = {}
    for name, consumer in consumers.items():
        written[name] = consumer
        if isinstance(consumer, dict):
            own: Layer = (("consumers", name), consumer)
            layers = [own, *_groups_of(consumer, groups), shared]
            if any(values for _, values in layers[1:]):
                written[name] = _write_out(layers, moved)
    composed["consumers"] = written
    return composed, moved


def _groups_of(consumer: Mapping[str, Any], groups: object) -> Iterator[Layer]:
    """The groups that exist; of others `contradictions.py` tells."""
    names = consumer.get("groups")
    if not isinstance(names, list) or not isinstance(groups, dict):
        return
    for name in names:
        if isinstance(name, str) and isinstance(group := groups.get(name), dict):
            yield ("groups", name), group


def _write_out(layers: list[Layer], moved: dict[KeyPath, KeyPath]) -> dict[str, Any]:
    place, own = layers[0]
    written = dict(own)
    for origin, values in layers[1:]:
        for name, value in values.items():
            if name in _OWN or name in _ADDED_UP:
                continue
            if name not in written:
                written[name] = value
                moved[*place, name] = (*origin, name)
            elif name in _BY_NAME and isinstance(value, dict) and isinstance(written[name], dict):
                missing = {part: inner for part, inner in value.items() if part not in written[name]}
                written[name] = {**written[name], **missing}
                moved |= {(*place, name, part): (*origin, name, part) for part in missing}
    for name in _ADDED_UP:
        _add_up(name, layers, written, moved)
    return written


def _add_up(name: str, layers: list[Layer], written: dict[str, Any], moved: dict[KeyPath, KeyPath]) -> None:
    """The broadest first: a limit of all consumers, then those of its groups, then its own."""
    place, own = layers[0]
    given = [(origin, values[name]) for origin, values in reversed(layers) if values.get(name) is not None]
    if not given or not all(isinstance(items, list) for _, items in given):
        return
    if len(given) == 1 and name in own:
        return
    names = _nearest(items for _, items in given) if name == "limits" else {}
    result: list[Any] = []
    for origin, items in given:
        for index, item in enumerate(items):
            if name == "allow" and item in result:
                continue
            label = item.get("name") if isinstance(item, dict) else None
            if isinstance(label, str) and names.get(label) is not items:
                continue  # a nearer layer has a limit of this name
            moved[*place, name, len(result)] = (*origin, name, index)
            result.append(item)
    written[name] = result


def _nearest(layers: Iterator[list[Any]]) -> dict[str, list[Any]]:
    """Name of a limit -> the items of the nearest layer that has it."""
    return {
        item["name"]: items
        for items in layers
        for item in items
        if isinstance(item, dict) and isinstance(item.get("name"), str)
    }
