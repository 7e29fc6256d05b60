"""First answers: kept for their time, within their bounds, and never given to another request."""

import asyncio

from gateway.webhooks.webhook_repeats import KEPT_SECONDS, FirstRequest, WebhookAnswer, WebhookRepeats

ANSWER = WebhookAnswer(200, b"", b"x" * 1000)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def key(number: int) -> tuple[str, bytes, bytes]:
    return "/sms", b"signature", b"%d" % number


async def kept(repeats: WebhookRepeats, number: int, answer: WebhookAnswer | None = ANSWER) -> FirstRequest:
    entry = repeats.begin(key(number))
    repeats.end(key(number), entry, answer)
    return entry


async def test_an_answer_is_kept_for_its_time() -> None:
    clock = Clock()
    repeats = WebhookRepeats(clock)
    await kept(repeats, 1)
    clock.now = KEPT_SECONDS - 1
    found = repeats.find(key(1))
    assert found is not None
    assert await found.answer == ANSWER
    clock.now = KEPT_SECONDS
    assert repeats.find(key(1)) is None
    assert (len(repeats), repeats.bytes) == (0, 0)


async def test_without_an_answer_there_is_nothing_to_repeat() -> None:
    repeats = WebhookRepeats(Clock())
    entry = repeats.begin(key(1))
    waiting = repeats.find(key(1))
    assert waiting is entry
    repeats.end(key(1), entry, None)
    assert await waiting.answer is None
    assert repeats.find(key(1)) is None


async def test_one_under_way_does_not_expire() -> None:
    clock = Clock()
    repeats = WebhookRepeats(clock)
    repeats.begin(key(1))
    clock.now = 10 * KEPT_SECONDS
    assert repeats.find(key(1)) is not None


async def test_entries_and_bytes_are_bounded() -> None:
    repeats = WebhookRepeats(Clock(), max_entries=10)
    for number in range(50):
        await kept(repeats, number)
    assert len(repeats) == 10
    assert repeats.find(key(39)) is None
    assert repeats.find(key(49)) is not None
    small = WebhookRepeats(Clock(), max_bytes=5_000)
    for number in range(50):
        await kept(small, number)
    assert 0 < small.bytes <= 5_000
    assert len(small) == 3


async def test_what_was_dropped_under_way_still_ends() -> None:
    repeats = WebhookRepeats(Clock(), max_entries=1)
    first = repeats.begin(key(1))
    await kept(repeats, 2)
    repeats.end(key(1), first, ANSWER)
    assert await asyncio.wait_for(first.answer, 1) == ANSWER
    assert repeats.find(key(1)) is None
    assert repeats.bytes > 0
