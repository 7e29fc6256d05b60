"""What a look makes of Twilio's answers: nothing follows from a list that was not read to its end."""

from dataclasses import replace
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from gateway.consumers.consumer import Priority
from gateway.consumers.credentials import Account, ApiKey, Credential
from gateway.errors import FailurePhase, Refusal, UpstreamFailure
from gateway.http.response import Response
from gateway.outcome_resolution.look_verdict import LookVerdict
from gateway.outcome_resolution.twilio_looks import Access, LookReport, Turn, TwilioLooks, access_to
from gateway.policy.comparable_fields import ListFilter, SubjectKind
from gateway.policy.repeat_intent import CreateSubject
from gateway.policy.snapshot import Snapshot
from gateway.redis.availability import StoreUnavailable
from gateway.repeat_guard.local_outcomes import LocalOutcomes
from gateway.repeat_guard.open_outcomes import OpenOutcome
from gateway.repeat_guard.outcome_text import read_outcome, write_outcome
from gateway.repeat_guard.repeat_table import RepeatTable
from gateway.upstream.account_reader import AccountReader

ACCOUNT, TO, NOW = "AC" + "0" * 32, "+15005550006", 1_700_000_000.0
BASE = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
OWN = Account(ACCOUNT, (ApiKey("SK", b"Basic x"),))
ACCESS = Access(OWN, "us1", "api.twilio.com", ListFilter(SubjectKind.MESSAGE, TO), b"k")
SUBJECT = CreateSubject("app", "main", ACCOUNT, "api", "/Messages", to=TO, to_digest="d", asks=True)
TURN = Turn("app", Priority.NORMAL, 1e9)


class Reader:
    """Answers with what it is given, one after the other; keeps what it was asked."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = list(answers)
        self.targets: list[str] = []

    async def read(self, account: Account, region: str, host: str, target: str, **_: object) -> Response:
        self.targets.append(target)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def answer(status: int = 200, body: bytes = b"", *, dated: bool = True) -> Response:
    date = (b"Date", formatdate(NOW, usegmt=True).encode())
    return Response(status, "", (date,) if dated else (), body, None)


def page(*sids: int, following: str | None = None, to: str = TO, age: float = 0.0) -> Response:
    shown = {
        "date_created": formatdate(NOW - age).replace("-0000", "+0000"),
        "direction": "outbound-api",
        "to": to,
    }
    messages = [{"sid": f"SM{sid:032x}", **shown} for sid in sids]
    return answer(body=orjson.dumps({"messages": messages, "next_page_uri": following}))


async def look(*answers: Response | Exception, wide: bool = False) -> tuple[LookReport, Reader]:
    reader = Reader(*answers)
    outcomes = LocalOutcomes(RepeatTable(10, lambda: NOW), 10, lambda: NOW)
    await outcomes.own(ACCOUNT, f"SM{9:032x}")
    outcome = OpenOutcome("one", "scope", SUBJECT, 300.0, NOW - 1, NOW + 24)
    looks = TwilioLooks(cast(AccountReader, reader), outcomes)
    return await looks.look(outcome, ACCESS, TURN, wide=wide), reader


async def candidates(*answers: Response | Exception, wide: bool = False) -> list[int]:
    report, _ = await look(*answers, wide=wide)
    assert report.look is not None
    return [int(each.sid[2:], 16) for each in report.look.candidates]


async def test_what_an_exchange_owns_is_left_out() -> None:
    assert await candidates(page(1, 9)) == [1]
    assert await candidates(page()) == []


async def test_pages_are_followed_within_the_list() -> None:
    report, reader = await look(page(1, following=f"{BASE}?Page=1"), page(2))
    assert report.look is not None
    assert [each.sid[-1] for each in report.look.candidates] == ["1", "2"]
    assert reader.targets[1] == f"{BASE}?Page=1"
    assert await candidates(page(1, age=60, following=f"{BASE}?Page=1")) == []


async def test_a_wide_look_reads_the_list_of_the_redacted_number() -> None:
    report, reader = await look(page(), page(1, to="+1500555XXXX"), wide=True)
    assert report.look is not None
    assert [each.exact for each in report.look.candidates] == [False]
    assert "To=%2B1500555XXXX" in reader.targets[1]
    assert await candidates(page(), answer(400), wide=True) == []


async def test_what_was_listed_once_is_missed_until_an_exchange_owns_it() -> None:
    """A service may delete its message before it is known whose it is."""
    outcomes = LocalOutcomes(RepeatTable(10, lambda: NOW), 10, lambda: NOW)
    outcome = OpenOutcome("one", "scope", SUBJECT, 300.0, NOW - 1, NOW + 24)
    looks = TwilioLooks(cast(AccountReader, Reader(page(1), page(), page(), page())), outcomes)

    async def missed() -> bool:
        report = await looks.look(outcome, ACCESS, TURN, wide=False)
        assert report.look is not None
        return report.look.misses

    assert not await missed()
    assert outcome.seen == (f"SM{1:032x}",)
    assert await missed()
    taken_over = read_outcome("one", NOW, write_outcome(outcome))
    assert taken_over is not None
    assert taken_over.seen == outcome.seen
    await outcomes.own(ACCOUNT, f"SM{1:032x}")
    assert not await missed()
    assert not outcome.seen


UNREAD = [
    pytest.param([answer(500)], LookVerdict.FAILED, id="500"),
    pytest.param([answer(429)], LookVerdict.FAILED, id="429"),
    pytest.param([answer(400)], LookVerdict.FAILED, id="400"),
    pytest.param([answer(body=b"<html>")], LookVerdict.FAILED, id="no JSON"),
    pytest.param([answer(body=b'{"messages": []}', dated=False)], LookVerdict.FAILED, id="no Date"),
    pytest.param([page(1, following="https://a.example/")], LookVerdict.FAILED, id="a link elsewhere"),
    pytest.param([page(1, following=f"{BASE}?Page=1")] * 20, LookVerdict.FAILED, id="without end"),
    pytest.param([page(1, following=f"{BASE}?Page=1"), answer(503)], LookVerdict.FAILED, id="half of it"),
    pytest.param([Refusal("queue_timeout", "")], LookVerdict.FAILED, id="no permit"),
    pytest.param([UpstreamFailure("upstream_lost", FailurePhase.SENT, "")], LookVerdict.FAILED, id="lost"),
    pytest.param([answer(401)], LookVerdict.REFUSED, id="401"),
    pytest.param([answer(403, b'{"code": 70051}')], LookVerdict.REFUSED, id="70051"),
]


@pytest.mark.parametrize(("answers", "verdict"), UNREAD)
async def test_nothing_follows_from_a_list_that_was_not_read(
    answers: list[Response | Exception], verdict: LookVerdict
) -> None:
    report, _ = await look(*answers)
    assert (report.look, report.verdict) == (None, verdict)


async def test_nothing_follows_while_the_store_does_not_say_whose_a_message_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(*_: Any) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(LocalOutcomes, "compare", away)
    report, _ = await look(page(1))
    assert (report.look, report.verdict) == (None, LookVerdict.FAILED)


CREDENTIAL = Credential("main", OWN, {}, "us1", "", asks=True, digest_key=b"k")
LISTED = SUBJECT._replace(route="/2010-04-01/Accounts/{AccountSid}/Messages")


def configured(credential: Credential | None) -> Snapshot:
    credentials = {} if credential is None else {credential.name: credential}
    return cast(Snapshot, SimpleNamespace(credentials=credentials, seal=None))


def test_only_an_account_of_a_credential_that_asks_is_asked() -> None:
    """By the configuration of now: another one may have entered the create."""
    found = access_to(configured(CREDENTIAL), LISTED)
    assert found is not None
    assert (found.account, found.lookup.to, found.digest_key) == (OWN, TO, b"k")
    assert access_to(configured(None), LISTED) is None
    assert access_to(configured(replace(CREDENTIAL, asks=False)), LISTED) is None
    assert access_to(configured(CREDENTIAL), LISTED._replace(account="AC" + "1" * 32)) is None
    assert access_to(configured(CREDENTIAL), LISTED._replace(asks=False)) is None
    assert access_to(configured(CREDENTIAL), LISTED._replace(route="/other")) is None


async def test_a_resource_that_cannot_be_read_is_no_answer() -> None:
    outcomes = LocalOutcomes(RepeatTable(10, lambda: NOW), 10, lambda: NOW)
    refused = Refusal("queue_timeout", "")
    looks = TwilioLooks(cast(AccountReader, Reader(answer(404), answer(500), refused, answer(200))), outcomes)
    found = [await looks.fetch(ACCESS, "SM1", BASE, TURN) for _ in range(4)]
    assert found[:3] == [None, None, None]
    assert found[3] is not None
    assert found[3].status == 201
