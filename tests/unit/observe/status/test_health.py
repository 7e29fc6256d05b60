"""What has grown lately ails us, what grew long ago does not."""

from gateway.observe.status.health import Lately


def test_growth_is_told_for_a_minute() -> None:
    lately = Lately()
    assert lately.grew(0, 100.0) == 0
    assert lately.grew(5, 101.0) == 5
    assert lately.grew(7, 130.0) == 7
    assert lately.grew(7, 162.0) == 2
    assert lately.grew(7, 191.0) == 0
    assert lately.grew(8, 1000.0) == 1
