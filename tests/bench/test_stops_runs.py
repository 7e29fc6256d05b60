"""The short form of the run that shows it: once every replica has a stop, none of them sends anything."""

from tests.bench import stops


def test_nothing_is_sent_after_a_stop() -> None:
    """Nor by one that was killed, and starts again while the store has lost its memory."""
    (found,) = stops.main(["--rate", "60", "--seconds", "1", "--replicas", "2", "--case", "over a restart"])
    assert (found.sent_later, found.silent) == (0, 0)
    assert found.sent > 20
