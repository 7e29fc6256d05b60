"""`gateway unknowns` and `/api/unknowns`: what is not known, and asking again, for those who may."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.asking import TEXT, TO, Asking, asking_scene
from tests.support.caller import RawAnswer, ask
from tests.support.moved_clock import passing_time
from tests.support.running import ENVIRON

TOKEN = "page-token-page-token"
SHORT = "Gateway-Timeout: 3"


@pytest.fixture
async def scene() -> AsyncIterator[Asking]:
    async with asking_scene() as scene:
        yield scene


async def call(scene: Asking, line: str, *fields: str) -> RawAnswer:
    """One request to the admin port, while time passes."""
    lines = [f"{line} HTTP/1.1", "Host: localhost", "Connection: close", *fields]
    port = int(scene.gateway.admin_url.rpartition(":")[2])
    async with passing_time(scene.clock):
        return await ask(port, ("\r\n".join(lines) + "\r\n\r\n").encode())


async def unknowns(scene: Asking) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((await call(scene, "GET /api/unknowns")).body)["unknowns"]
    return found


async def run(scene: Asking, *arguments: str) -> tuple[int, str]:
    """The command, as a process of its own, while time passes."""
    async with passing_time(scene.clock):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "unknowns", "--admin", scene.gateway.admin_url, *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def until_looks_end(scene: Asking) -> None:
    """Let ten minutes pass."""
    resolver = scene.gateway.gateway.components.resolver
    async with passing_time(scene.clock, step=2):
        while resolver.pursued:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(10)


async def give_up(scene: Asking) -> str:
    """Two messages of the same text at once, one of another program: nobody can tell. The outcome's id."""
    answer = await scene.create(SHORT, fault="second-sender, reset-after")
    assert answer.status == 502
    [found] = await unknowns(scene)
    return str(found["id"])


async def test_what_is_listed(scene: Asking) -> None:
    id_ = await give_up(scene)
    [found] = await unknowns(scene)
    assert found["looks"] > 0
    assert (found["state"], found["slug"], found["consumer"], found["asks"]) == (
        "open",
        "upstream_lost",
        "app",
        True,
    )
    assert found["route"] == "/2010-04-01/Accounts/{AccountSid}/Messages"
    assert ENVIRON["TWILIO_ACCOUNT_SID"] not in str(found)
    assert TO not in str(found)
    code, text = await run(scene)
    assert code == 0
    assert text.startswith("TIME ")
    assert id_ in text
    assert TO not in text
    code, text = await run(scene, "--json")
    assert [each["id"] for each in json.loads(text)] == [id_]


async def test_looks_end_and_the_outcome_stays_listed_as_unknown(scene: Asking) -> None:
    id_ = await give_up(scene)
    await until_looks_end(scene)
    [found] = await unknowns(scene)
    assert (found["id"], found["state"]) == (id_, "unknown")
    made = len(scene.looks)
    answer = await call(scene, f"POST /api/unknowns/{id_}/resolve")
    assert (answer.status, json.loads(answer.body)["state"]) == (200, "unknown")
    assert len(scene.looks) > made


@pytest.mark.parametrize(("gone", "state"), [(1, "found"), (2, "absent")])
async def test_asking_again_once_it_is_certain(scene: Asking, gone: int, state: str) -> None:
    """What the other program sent is there no more, or neither of the two is."""
    id_ = await give_up(scene)
    await until_looks_end(scene)
    newest, *others = scene.sids()
    for sid in [*others, newest][:gone]:
        scene.simulator.store.remove("messages", ENVIRON["TWILIO_ACCOUNT_SID"], sid)
    code, text = await run(scene, "--resolve", id_)
    assert (code, {"found": newest, "absent": "no trace"}[state] in text) == (0, True)
    assert await unknowns(scene) == []
    [line] = [line for line in scene.gateway.log() if line["event"] == "audit"]
    assert {name: line[name] for name in ("action", "outcome", "consumer", "state", "address")} == {
        "action": "unknown.resolve",
        "outcome": id_,
        "consumer": "app",
        "state": state,
        "address": "127.0.0.1",
    }


async def test_asking_again_about_one_that_is_being_asked_about(scene: Asking) -> None:
    """A look is made at once, and the outcome is told as it is then."""
    id_ = await give_up(scene)
    made = len(scene.looks)
    answer = await call(scene, f"POST /api/unknowns/{id_}/resolve")
    assert (answer.status, json.loads(answer.body)["state"]) == (200, "open")
    assert len(scene.looks) > made


async def test_what_cannot_be_asked_about_is_listed_and_refused(scene: Asking) -> None:
    await scene.create(body=TEXT.replace(b"%2B15005550006", b"12345"), fault="reset-after")
    [found] = await unknowns(scene)
    assert (found["asks"], found["looks"]) == (False, 0)
    answer = await call(scene, f"POST /api/unknowns/{found['id']}/resolve")
    assert (answer.status, "cannot be asked" in answer.body.decode()) == (409, True)
    code, text = await run(scene, "--resolve", found["id"])
    assert (code, "cannot be asked" in text) == (1, True)


async def test_an_outcome_that_is_none(scene: Asking) -> None:
    assert (await call(scene, "POST /api/unknowns/none/resolve")).status == 404
    assert (await call(scene, "GET /api/unknowns?limit=1")).status == 400
    assert await run(scene) == (0, "Every outcome of the last hour is known.\n")


async def test_only_own_pages_and_programs_that_may_ask_again() -> None:
    async with asking_scene(
        admin={"listen": "127.0.0.1:0", "page_token": {"env": "PAGE"}}, environ={"PAGE": TOKEN}
    ) as scene:
        line, login = "POST /api/unknowns/none/resolve", f"Authorization: Bearer {TOKEN}"
        assert (await call(scene, line)).status == 401
        assert (await call(scene, "GET /api/unknowns")).status == 401
        assert (await call(scene, line, login, "Origin: https://other.example")).status == 403
        assert (await call(scene, line, login, "Sec-Fetch-Site: cross-site")).status == 403
        assert (await call(scene, line, login, "Origin: http://localhost")).status == 404
        assert (await call(scene, line, login)).status == 404
        assert (await call(scene, "GET /api/unknowns", login)).status == 200
