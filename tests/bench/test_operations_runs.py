"""The short form of `tests.bench.operations`: what is changed under load fails nobody and doubles nothing."""

from tests.bench.operations import SHORT, run


async def test_nobody_notices() -> None:
    result = await run(SHORT)
    assert result.tally.failures == []
    assert result.duplicates == 0
    assert result.sent == result.tally.created == result.created > 0
    assert result.refused == SHORT.reloads // 2
