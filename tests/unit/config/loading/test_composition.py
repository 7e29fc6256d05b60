"""What consumers have from `defaults` and groups, and where problems with it are reported."""

import functools
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.compile import compile_snapshot
from gateway.config.loading.composition import compose_consumers
from gateway.config.loading.load import load_settings
from gateway.config.loading.resolve import load_resolved
from gateway.config.problems import ConfigError
from gateway.config.schema.consumer_settings import ConsumerSettings
from tests.unit.config.conftest import CREDENTIALS, DIGEST, ENVIRON, GOOD, Write, complaint, complaints


def consumer(write: Write, shared: str, own: str) -> ConsumerSettings:
    text = f'{CREDENTIALS}{shared}consumers:\n  billing:\n    keys: ["{DIGEST}"]\n{own}'
    return load_settings(write(text), ENVIRON).settings.consumers["billing"]


def test_a_consumer_has_the_defaults_and_its_groups(write: Write) -> None:
    shared = """\
defaults: {credential: main, mode: report, priority: low, limits: [{name: all, rate: 20/s}]}
groups:
  senders: {allow: ["messages:send"], priority: high, form: {to: ["+1"], from: ["+15005550001"]}}
  readers: {allow: ["GET api /2010-04-01/Accounts/{AccountSid}/Calls"], priority: normal}
"""
    own = """\
    groups: [senders, readers]
    allow: ["messages:send", "lookups"]
    form: {to: ["+49"]}
    limits: [{rate: 5/d}]
"""
    found = consumer(write, shared, own)
    assert (found.credential, found.mode, found.priority) == ("main", "report", "high")
    assert found.allow == (
        "GET api /2010-04-01/Accounts/{AccountSid}/Calls",
        "messages:send",
        "lookups",
    )
    assert found.form is not None
    assert (found.form.to, found.form.from_) == (("+49",), ("+15005550001",))
    assert [(limit.name, limit.rate) for limit in found.limits] == [("all", "20/s"), (None, "5/d")]


def test_a_limit_of_the_same_name_is_replaced_by_the_nearest(write: Write) -> None:
    shared = """\
defaults: {credential: main, allow: [everything], limits: [{name: rate, rate: 1/s}, {name: day, rate: 9/d}]}
groups: {fast: {limits: [{name: rate, rate: 50/s}]}}
"""
    assert [(each.name, each.rate) for each in consumer(write, shared, "    groups: [fast]\n").limits] == [
        ("day", "9/d"),
        ("rate", "50/s"),
    ]
    own = "    groups: [fast]\n    limits: [{name: rate, rate: 2/s}]\n"
    assert [(each.name, each.rate) for each in consumer(write, shared, own).limits] == [
        ("day", "9/d"),
        ("rate", "2/s"),
    ]


def test_a_groups_problem_is_reported_once_and_where_it_is(write: Write) -> None:
    two = "".join(
        f'  {name}:\n    keys: ["sha256:{digit * 64}"]\n    credential: main\n    groups: [senders]\n'
        for name, digit in (("a", "3"), ("b", "4"))
    )
    text = f'{GOOD}{two}groups:\n  senders:\n    allow: ["messages:sent"]\n    mode: off\n'
    lines = complaints(write(text))
    assert [line.split(": ")[:2] for line in lines] == [
        ["gateway.yaml:20", "groups.senders.allow.0"],
        ["gateway.yaml:21", "groups.senders.mode"],
    ]


def test_a_bad_rule_alone_is_reported_at_the_group(write: Write) -> None:
    text = f'{GOOD}    groups: [senders]\ngroups:\n  senders:\n    allow: ["messages:sent"]\n'
    with pytest.raises(ConfigError) as caught:
        compile_snapshot(load_resolved(write(text), ENVIRON))
    [problem] = caught.value.problems
    assert (problem.where.rpartition("/")[2], problem.key) == ("gateway.yaml:13", "groups.senders.allow.0")


def test_an_unknown_group(write: Write) -> None:
    text = f"{GOOD}    groups: [sender]\ngroups: {{senders: {{legacy: true}}}}\n"
    assert complaint(write(text)) == (
        "gateway.yaml:10: consumers.billing.groups.0: no group has this name; did you mean 'senders'?"
    )


def test_what_stands_for_one_consumer_is_in_no_group(write: Write) -> None:
    text = f'{GOOD}    groups: [senders]\ngroups: {{senders: {{keys: ["{DIGEST}"]}}}}\n'
    assert complaint(write(text)).startswith("gateway.yaml:11: groups.senders.keys: unknown name")


def test_names_that_begin_with_x_are_for_anchors(write: Write) -> None:
    text = f"x-limits: &limits [{{rate: 20/s}}]\n{GOOD}    limits: *limits\n"
    assert load_settings(write(text), ENVIRON).settings.consumers["billing"].limits[0].rate == "20/s"


def test_two_limits_of_one_name(write: Write) -> None:
    text = f"{GOOD}    limits: [{{name: a, rate: 20/s}}, {{name: a, rate: 5/d}}]\n"
    assert complaint(write(text)) == (
        "gateway.yaml:10: consumers.billing.limits.1.name: another limit has this name; "
        "give each limit a name of its own"
    )


def test_an_override_of_a_group_reaches_its_consumers(write: Write) -> None:
    text = f"{GOOD}    groups: [senders]\ngroups: {{senders: {{priority: low}}}}\n"
    environ = ENVIRON | {"GATEWAY__GROUPS__SENDERS__PRIORITY": "high"}
    assert load_settings(write(text), environ).settings.consumers["billing"].priority == "high"


def _any(value: Any) -> Any:
    return value


_VALUES = st.dictionaries(
    st.sampled_from(["credential", "mode", "priority", "legacy"]), st.sampled_from(["a", "b", "c"])
)
_LISTS = st.lists(st.sampled_from(["r1", "r2", "r3"]), unique=True)


@given(st.lists(st.tuples(_VALUES, _LISTS), min_size=2, max_size=4))
def test_the_nearest_value_holds_and_every_rule_is_there(
    layers: list[tuple[dict[str, str], list[str]]],
) -> None:
    names = [f"g{index}" for index in range(len(layers) - 2)]
    own, *groups, defaults = ({**values, "allow": rules} for values, rules in layers)
    tree: dict[str, Any] = {
        "consumers": {"x": {**own, "groups": names}},
        "groups": dict(zip(names, groups, strict=True)),
        "defaults": defaults,
    }
    composed, moved = compose_consumers(tree)
    consumers: Any = composed["consumers"]
    found = consumers["x"]
    for name in {name for values, _ in layers for name in values}:
        assert found[name] == next(values[name] for values, _ in layers if name in values)
    assert set(found["allow"]) == set(itertools.chain.from_iterable(rules for _, rules in layers))
    assert len(set(found["allow"])) == len(found["allow"])
    for index, rule in enumerate(found["allow"]):
        place = moved.get(("consumers", "x", "allow", index), ("consumers", "x", "allow", index))
        assert functools.reduce(lambda value, part: value[part], place, _any(tree)) == rule
