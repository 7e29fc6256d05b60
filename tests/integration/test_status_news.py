"""Verified status callbacks hasten the look for an open outcome, in one process and through the store."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from gateway.background.loops import BackgroundLoops
from gateway.outcome_resolution.pursuit import Pursuit
from gateway.outcome_resolution.status_news import StatusNews
from gateway.repeat_guard.open_outcomes import OpenOutcome, OpenOutcomes
from tests.support.asking import asking_scene
from tests.support.attempts import until
from tests.support.caller import MESSAGES
from tests.support.moved_clock import passing_time
from tests.support.redis import RedisServer
from tests.support.repeat_guard import ACCOUNT, ASKING, GuardReplica, guard_replica, lost
from tests.support.running import ACCOUNT_SID
from tests.support.webhooks import AUTH_TOKEN, WEBHOOK_ENVIRON, TwilioSide, message, running_service, settings


@dataclass
class Pursued:
    """What is looked for, at one replica."""

    outcomes: OpenOutcomes
    pursuits: list[Pursuit] = field(default_factory=list)

    def pursuits_of(self, account: str) -> list[Pursuit]:
        return [each for each in self.pursuits if each.outcome.subject.account == account]

    def pursued_accounts(self) -> set[str]:
        return {each.outcome.subject.account for each in self.pursuits}


async def pursue(replica: GuardReplica) -> Pursued:
    """A create of this replica's that ended open, and was just looked for in vain."""
    opened: list[OpenOutcome] = []
    replica.guard.set_on_open(opened.append)
    assert await replica.create(lost(), intent=ASKING) == "upstream_lost"
    await replica.written()
    outcomes = replica.guard.outcomes
    pursuit = Pursuit(opened[0], outcomes.now)
    pursuit.begin_look()
    return Pursued(outcomes, [pursuit])


def is_due(pursued: Pursued) -> Callable[[], bool]:
    due = pursued.pursuits[0].next_due
    return lambda: (due() or 0) <= pursued.outcomes.now()


async def test_through_the_store_of_two_processes(server: RedisServer) -> None:
    """The webhook process has no outcome and no key; the data process hears of the message, and looks."""
    loops = BackgroundLoops()
    async with guard_replica(server) as data, guard_replica(server) as hooks:
        pursued = await pursue(data)
        assert not is_due(pursued)()
        here = StatusNews(pursued, data.store, pursued.outcomes.now, loops)
        there = StatusNews(Pursued(hooks.guard.outcomes), hooks.store, hooks.guard.outcomes.now, loops)
        here.start()
        try:
            await data.guard.outcomes.own(ACCOUNT, "SM" + "1" * 32)
            there.told(ACCOUNT, "SM" + "1" * 32)  # another exchange's: that is no news
            await here._read(ACCOUNT)
            assert not is_due(pursued)()
            there.told(ACCOUNT, "SM" + "2" * 32)
            await until(is_due(pursued))
        finally:
            await here.close()
            await there.close()


async def test_a_callback_resolves_the_outcome_whose_message_it_names() -> None:
    """The message shows in Twilio's lists late, and its callback comes before the next look is due."""
    environ = {**WEBHOOK_ENVIRON}
    async with running_service() as service:
        section = settings(service.url)
        async with asking_scene(environ, webhooks=section) as scene, aiohttp.ClientSession() as session:
            answer = await scene.create("Gateway-Timeout: 3", fault="commit-late=8", target=MESSAGES)
            assert answer.value("Gateway-Outcome") == "unknown"
            resolver = scene.gateway.gateway.components.resolver
            assert resolver.pursued == 1
            async with passing_time(scene.clock, step=0.05):
                while not scene.sids():  # noqa: ASYNC110 - it is committed some time
                    await asyncio.sleep(0.05)
            [sid] = scene.sids()
            assert resolver.pursued == 1
            port = scene.gateway.gateway.webhooks
            assert port is not None
            twilio = TwilioSide(port.url, session)
            form = message(MessageSid=sid, MessageStatus="sent", AccountSid=ACCOUNT_SID)
            pursuit = resolver.pursuits_of(ACCOUNT_SID)[0]
            before = pursuit.next_due()
            assert before is not None
            assert before > resolver.outcomes.now()
            got = await twilio.post("/sms/orders", form, token=AUTH_TOKEN)
            assert got.status == 200
            await until(lambda: not resolver.pursued)  # no time has passed on the scene's clock
            assert before > resolver.outcomes.now()
            assert pursuit.judgement.sid == sid
