"""The part of the zoo that needs no installing: Debian's stacks, each through a tunnel to the simulator."""

import pytest

from tests.clients.programs import require_tool
from tests.clients.zoo.menagerie import ANIMALS, Animal
from tests.clients.zoo.run import render, visit_all

LOCAL = [each for each in ANIMALS if not each.packages]


@pytest.mark.slow
@pytest.mark.parametrize("animal", LOCAL, ids=lambda each: each.kind)
async def test_it_gets_through(animal: Animal) -> None:
    require_tool(animal.kind)
    found = await visit_all([animal])
    outcomes = found[animal]
    assert {way: outcome.why for way, outcome in outcomes.items()} == dict.fromkeys(animal.ways, "")
    assert all(outcome.sends == 1 for outcome in outcomes.values())
    assert f"| {animal.name} | {animal.version} | yes |" in render(found)


def test_every_client_is_pinned() -> None:
    for animal in ANIMALS:
        assert all("==" in package or "@" in package for package in animal.packages)
        assert set(animal.ways) <= {"proxy", "base"}
