"""The log line of a large reload stays readable."""

from gateway.app.reload_report import MOST_TOLD, tell_some


def test_c13_of_very_many_changes_the_first_are_told() -> None:
    changes = tuple(f"consumers.a{number}.keys: ..." for number in range(40_000))
    told = tell_some(changes)
    assert told == (*changes[:MOST_TOLD], f"and {40_000 - MOST_TOLD} more")
    assert tell_some(changes[:MOST_TOLD]) == changes[:MOST_TOLD]
    assert tell_some(()) == ()
