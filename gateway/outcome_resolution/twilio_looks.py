"""One look at Twilio: reads the lists of a recipient, and asks which of their resources are no exchange's.

What is read is judged and forgotten: no list, text or number of it is logged.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.consumers.consumer import Priority
from gateway.consumers.credentials import Account, Credential
from gateway.errors import GatewayError
from gateway.http.header_fields import find_field
from gateway.http.response import Response
from gateway.outcome_resolution.listed_resources import (
    Candidate,
    UnreadablePage,
    attempt_start,
    read_page,
)
from gateway.outcome_resolution.look_requests import is_own_page, list_targets, resource_target
from gateway.outcome_resolution.look_verdict import Look, LookVerdict
from gateway.policy.comparable_fields import ListFilter
from gateway.policy.repeat_intent import CreateSubject, lookup_of
from gateway.policy.snapshot import Snapshot
from gateway.redis.availability import StoreUnavailable
from gateway.repeat_guard.open_outcomes import OpenOutcome, OpenOutcomes
from gateway.upstream.account_reader import REFUSED_STATUSES, AccountReader
from gateway.upstream.own_read import JSON

_READ_SECONDS: Final = 8.0
"""How long one list may take, the wait for a permit included."""
_MAX_PAGES: Final = 20
_MAX_SEEN: Final = 8
_ANY: Final = b"*/*"
_DAY_SLACK_SECONDS: Final = 600.0
"""Calls are listed by the day of the attempt, by our clock: so much before midnight it is the day before."""


class Access(NamedTuple):
    """How to ask about a create: at which account, by what filter. `digest_key` is what it is compared with,
    unless it was entered by this process, which knows by what: a reload may have brought another key.
    """

    account: Account
    region: str
    host: str
    lookup: ListFilter
    digest_key: bytes

    def __repr__(self) -> str:
        return f"Access({self.lookup.kind})"


class Turn(NamedTuple):
    """In whose name a look is made. `deadline` is the loop's clock."""

    consumer: str
    priority: Priority
    deadline: float


class LookReport(NamedTuple):
    """A look that was read to its end, or why there is none: FAILED or REFUSED."""

    look: Look | None
    verdict: LookVerdict
    status: int = 0


class LookFailed(Exception):
    """A list could not be read. `verdict` says whether it may be the next time."""

    def __init__(self, verdict: LookVerdict, status: int = 0) -> None:
        super().__init__(verdict)
        self.verdict = verdict
        self.status = status


def access_to(snapshot: Snapshot, subject: CreateSubject) -> Access | None:
    """How to ask about a create by this configuration; None where that is not possible, or not wanted."""
    credential = snapshot.credentials.get(subject.credential) or _asking(snapshot, subject.account)
    if credential is None or not credential.asks or not credential.owns(subject.account):
        return None
    lookup = lookup_of(subject, snapshot.seal)
    if lookup is None:
        return None
    account = credential.account_of(subject.account)
    return Access(account, credential.region, subject.host, lookup, credential.digest_key)


def _asking(snapshot: Snapshot, account: str) -> Credential | None:
    """One that may ask about creates of a credential that has another name by now."""
    found = (each for each in snapshot.credentials.values() if each.asks and each.owns(account))
    return next(found, None)


async def compare_candidates(
    outcomes: OpenOutcomes,
    outcome: OpenOutcome,
    started_at: float,
    is_wide: bool,
    candidates: Mapping[str, Candidate],
) -> Look:
    """Ask which of them no exchange owns, and note those in `outcome.seen`. Raises `StoreUnavailable`.

    To be asked after the lists were read: what another exchange made of them is recorded as its own by then,
    or that exchange is still open.
    """
    asked = tuple(dict.fromkeys((*candidates, *outcome.seen)))
    if not asked:
        return Look(started_at, is_wide, (), 0)
    unowned, others = await outcomes.compare(outcome, asked)
    outcome.seen = unowned[:_MAX_SEEN]
    left = tuple(candidates[sid] for sid in unowned if sid in candidates)
    return Look(started_at, is_wide, left, others, misses=len(left) < len(unowned))


class TwilioLooks:
    """Makes looks. `outcomes` knows which SIDs are whose."""

    def __init__(self, reader: AccountReader, outcomes: OpenOutcomes) -> None:
        self._reader = reader
        self._outcomes = outcomes

    async def look(self, outcome: OpenOutcome, access: Access, turn: Turn, *, wide: bool) -> LookReport:
        """Look whether Twilio has what a create may have made."""
        started_at = self._outcomes.now()
        since = outcome.started_at - _DAY_SLACK_SECONDS
        targets = list_targets(access.account.sid, access.lookup, since, wide=wide)
        candidates: dict[str, Candidate] = {}
        try:
            for target, exact in targets:
                for each in await self._read_list(outcome, access, turn, target, exact=exact):
                    candidates.setdefault(each.sid, each)
            look = await compare_candidates(self._outcomes, outcome, started_at, wide, candidates)
        except LookFailed as failure:
            return LookReport(None, failure.verdict, failure.status)
        except (GatewayError, StoreUnavailable, UnreadablePage):
            return LookReport(None, LookVerdict.FAILED)
        return LookReport(look, LookVerdict.OPEN, 200)

    async def fetch(self, access: Access, sid: str, create_target: str, turn: Turn) -> Response | None:
        """The resource as the answer to the create that made it, in the create's format; None if it cannot be
        read now."""
        target = resource_target(access.account.sid, access.lookup.kind, sid, create_target)
        try:
            answer = await self._read(access, target, turn, _ANY)
        except GatewayError:
            return None
        if answer.status != 200:
            return None
        return Response(201, "Created", answer.fields, answer.body, None)

    async def _read_list(
        self, outcome: OpenOutcome, access: Access, turn: Turn, target: str, *, exact: bool
    ) -> list[Candidate]:
        """Raises `LookFailed`, `GatewayError` or `UnreadablePage` if the list was not read to its end."""
        account, kind = access.account.sid, access.lookup.kind
        found: list[Candidate] = []
        for _ in range(_MAX_PAGES):
            answer = await self._read(access, target, turn)
            if answer.status in REFUSED_STATUSES:
                raise LookFailed(LookVerdict.REFUSED, answer.status)
            if answer.status == 400 and not exact:
                return found  # a redacted number may be none to Twilio: then nothing is listed by it
            if answer.status != 200:
                raise LookFailed(LookVerdict.FAILED, answer.status)
            date = find_field(answer.fields, b"date")
            since = attempt_start(date, self._outcomes.now(), outcome.started_at)
            page = read_page(answer.body, access.lookup, since, exact=exact)
            found += page.candidates
            if not page.next:
                return found
            if not is_own_page(page.next, account, kind):
                raise UnreadablePage("the next page is elsewhere")
            target = page.next
        raise LookFailed(LookVerdict.FAILED)

    async def _read(self, access: Access, target: str, turn: Turn, accept: bytes = JSON) -> Response:
        deadline = min(turn.deadline, asyncio.get_running_loop().time() + _READ_SECONDS)
        return await self._reader.read(
            access.account,
            access.region,
            access.host,
            target,
            deadline=deadline,
            consumer=turn.consumer,
            priority=turn.priority,
            accept=accept,
        )
