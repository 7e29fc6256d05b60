"""The part of the zoo that needs no installing: Debian's stacks, each through a tunnel to the simulator."""

import pytest

from tests.clients.programs import require_tool
from tests.clients.zoo.environment import PROGRAMS
from tests.clients.zoo.menagerie import ANIMALS, PROXY, WAYS, Animal
from tests.clients.zoo.run import render, visit_all

LOCAL = {
    tool: next(each for each in ANIMALS if each.program == program)
    for tool, program in (("php", "curl.php"), ("ruby", "net_http.rb"), ("go", "net_http.go"))
}


@pytest.mark.slow
@pytest.mark.parametrize("tool", LOCAL)
async def test_it_gets_through(tool: str) -> None:
    require_tool(tool)
    animal: Animal = LOCAL[tool]
    found = await visit_all([animal], [PROXY])
    assert found[animal][PROXY].why == ""
    assert found[animal][PROXY].sends == 1
    assert f"| {animal.name} | 1.2 | yes |" in render(found, {animal: "1.2"})


def test_every_client_is_pinned() -> None:
    for animal in ANIMALS:
        assert all("==" in package or "@" in package[1:] for package in animal.packages)
        assert bool(animal.packages) != bool(animal.debian)
        assert set(animal.ways) <= set(WAYS)
        assert all((PROGRAMS / name).exists() for name in (animal.program, *animal.parts))
