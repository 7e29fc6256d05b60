"""The short form of the run that shows it: no create is sent twice, and none is lost without a word."""

from tests.bench import at_most_once


def test_no_create_is_sent_twice() -> None:
    """All faults, three kinds of clients, two replicas of which one is killed, a Redis that pauses."""
    assert at_most_once.main(["--creates", "2000", "--callers", "300"]) == 0
