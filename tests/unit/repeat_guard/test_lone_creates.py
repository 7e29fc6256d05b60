"""Creates that nothing like is known of: they have no name until one is needed."""

from dataclasses import dataclass, field

import pytest

from gateway.policy.repeat_intent import WatchedCreate
from gateway.repeat_guard.guard_parts import RepeatGuardOptions
from gateway.repeat_guard.repeat_guard import RepeatGuard
from gateway.repeat_guard.repeat_rules import MAX_SECONDS, RepeatEnding
from gateway.repeat_guard.repeat_table import RepeatTable

CREATE = WatchedCreate((b"[", (("To", "+1"),)), 300.0)
OTHER = CREATE._replace(meant=(*CREATE.meant[:-1], (("To", "+2"),)))
SCOPE = CREATE.intent().scope


@dataclass
class Scene:
    """A table whose clock is set by hand."""

    now: float = 50.0
    table: RepeatTable = field(init=False)

    def __post_init__(self) -> None:
        self.table = RepeatTable(2, lambda: self.now)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_it_begins_and_ends_without_a_name(scene: Scene) -> None:
    assert scene.table.begin_lone(CREATE)
    assert len(scene.table) == 1
    assert scene.table.end_lone(CREATE)
    assert len(scene.table) == 0
    assert scene.table.begin_lone(CREATE)


def test_a_second_one_finds_it_by_its_name(scene: Scene) -> None:
    assert scene.table.begin_lone(CREATE)
    scene.now += 3
    assert not scene.table.begin_lone(CREATE)
    found = scene.table.find(SCOPE)
    assert found is not None
    assert found.started_at == scene.now - 3
    assert len(scene.table) == 1
    assert not scene.table.end_lone(CREATE)
    assert scene.table.name_lone(CREATE) is found


@pytest.mark.parametrize("asks", [False, True])
def test_while_the_first_has_a_name_no_other_is_alone(scene: Scene, *, asks: bool) -> None:
    scene.table.begin_lone(CREATE)
    first = scene.table.name_lone(CREATE)
    assert not scene.table.begin_lone(CREATE._replace(asks=asks))
    assert scene.table.begin_lone(OTHER)
    assert scene.table.find(SCOPE) is first


@pytest.mark.parametrize("ending", [RepeatEnding.OPEN, RepeatEnding.DEFINITE])
def test_what_is_remembered_is_not_alone_until_its_seconds_are_over(
    scene: Scene, ending: RepeatEnding
) -> None:
    scene.table.begin_lone(CREATE)
    entry = scene.table.name_lone(CREATE)
    assert entry is not None
    scene.table.keep(SCOPE, entry, ending)
    assert not scene.table.begin_lone(CREATE)
    scene.now += CREATE.seconds + 1
    assert scene.table.begin_lone(CREATE)


def test_the_bound_on_all_seconds_counts_from_when_it_was_alone(scene: Scene) -> None:
    scene.table.begin_lone(CREATE._replace(seconds=2 * MAX_SECONDS))
    began, scene.now = scene.now, scene.now + 100
    entry = scene.table.name_lone(CREATE._replace(seconds=2 * MAX_SECONDS))
    assert entry is not None
    scene.table.keep(SCOPE, entry, RepeatEnding.OPEN)
    assert entry.expires_at == began + MAX_SECONDS


def test_one_that_twilio_can_be_asked_about_is_never_alone(scene: Scene) -> None:
    assert not scene.table.begin_lone(CREATE._replace(asks=True))
    assert scene.table.begin_lone(CREATE)
    assert not scene.table.begin_lone(CREATE._replace(asks=True))
    assert scene.table.find(SCOPE) is not None


def test_those_alone_count_for_the_room(scene: Scene) -> None:
    assert scene.table.begin_lone(CREATE)
    assert scene.table.begin_lone(OTHER)
    third = CREATE._replace(meant=(*CREATE.meant[:-1], (("To", "+3"),)))
    assert not scene.table.begin_lone(third)
    scene.table.end_lone(OTHER)
    scene.table.name_lone(CREATE)
    assert scene.table.begin_lone(OTHER)
    assert not scene.table.begin_lone(third)


@pytest.mark.parametrize(("status", "over"), [(201, True), (400, True), (503, True), (500, False)])
def test_a_definite_answer_ends_it(status: int, *, over: bool) -> None:
    guard = RepeatGuard(RepeatGuardOptions())
    assert guard.begin_alone(CREATE)
    assert guard.end_alone(CREATE, status) is over
    assert (guard.entries == 0) is over
