"""What is packed once for many creates says of each what a script that is packed for it alone would say."""

from collections.abc import Sequence

import hiredis
import pytest

from gateway.policy.repeat_intent import CreateSubject, RepeatIntent
from gateway.redis.command_bytes import Argument, pack_call
from gateway.redis.script import Script
from gateway.repeat_guard.intent_commands import KnownCommands
from gateway.repeat_guard.intent_records import IntentKeys
from gateway.repeat_guard.intent_scripts import BEGIN, FORGET
from gateway.repeat_guard.open_outcomes import OpenOutcome
from gateway.repeat_guard.outcome_text import read_outcome, write_outcome

_NAMES = ["billing", 'of 100 %b "started_at":1.0, ö', "%"]
_NOW = 1_764_441_234.5678


def pack(script: Script, keys: Sequence[str], args: Sequence[Argument]) -> bytes:
    return pack_call(script.sha, [f"gate%way:{key}" for key in keys], args)


def words(packed: bytes) -> list[bytes]:
    reader = hiredis.Reader()
    reader.feed(packed)
    found = reader.gets()
    assert isinstance(found, list)
    assert reader.gets() is False  # nothing is left over
    return found


def subject_of(name: str) -> CreateSubject:
    return CreateSubject(name, "main", "AC" + "0" * 32, "api", "/Messages.json", "api.twilio.com")


@pytest.mark.parametrize("now", [0.0, 12.25, _NOW, 10.0 * _NOW])
@pytest.mark.parametrize("name", _NAMES)
def test_begin_and_forget_are_those_of_this_create(name: str, now: float) -> None:
    commands = KnownCommands(pack, 3000)
    subject = subject_of(name)
    for scope, id_ in (("a" * 64, "1" * 32), ("b" * 64, "2" * 32)):
        outcome = OpenOutcome(id_, scope, subject, 300.0, now, now + 20)
        found = commands.find(RepeatIntent(scope, 300.0), subject, "one two")
        assert found is not None
        keys = IntentKeys.of(outcome)
        text, ms = write_outcome(outcome), round(now * 1000)
        names = (keys.intent, keys.open, keys.leases, keys.released)
        expected = words(pack(BEGIN, names, (ms, 3000, 300_000, text, id_, "one two")))
        told = words(found.begin(outcome, now))
        assert int(told[7]) == int(now * 1000)
        assert [*told[:7], *told[8:10], *told[11:]] == [*expected[:7], *expected[8:10], *expected[11:]]
        read, meant = read_outcome(id_, now, told[10]), read_outcome(id_, now, text)
        assert read is not None
        assert meant is not None
        assert 0 <= meant.started_at - read.started_at < 0.0011
        assert 0 <= read.ends_by - meant.ends_by < 0.0011
        read.started_at, read.ends_by = meant.started_at, meant.ends_by
        assert read == meant
        names = (keys.intent, keys.open, keys.leases, keys.kept)
        told, expected = words(found.forget(outcome, now)), words(pack(FORGET, names, (ms, "", id_)))
        assert int(told.pop(7)) == int(now * 1000)
        del expected[7]
        assert told == expected


def test_a_create_that_can_be_asked_about_has_a_script_of_its_own() -> None:
    subject = subject_of("billing")._replace(to="+15550100", to_digest="d1")
    assert KnownCommands(pack, 3000).find(RepeatIntent("a" * 64, 300.0), subject, "") is None


def test_what_is_known_is_bounded() -> None:
    commands = KnownCommands(pack, 3000, most=3)
    for number in range(10):
        assert commands.find(RepeatIntent("a" * 64, 300.0), subject_of(str(number)), "") is not None
        assert len(commands._known) <= 3
