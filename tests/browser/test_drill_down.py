"""Drilling down on the page: clicks, chips, search, the back button, reasons, copied commands."""

import asyncio
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.async_api import Browser, expect

from tests.browser.reader import ARTEFACTS, Reader, open_reader
from tests.support.caller import MESSAGES, ask, request
from tests.support.free_ports import free_port
from tests.support.redis import RedisServer, redis_server
from tests.support.running import ENVIRON, KEY, Running, configuration, consumer, running_gateway
from tests.support.upstream import RawUpstream, reply

pytestmark = pytest.mark.asyncio(loop_scope="session")

OTHER_KEY = "gw_test-key-of-the-consumer-called-other-9999"
OLDER = 190
"""More than three times what the list has at once."""
SID = "SM" + "0123456789abcdef" * 2


async def get(gateway: Running, request_id: str, path: str = MESSAGES, key: str = KEY) -> int:
    answer = await ask(
        gateway.port, request(f"GET {path}", f"X-Request-Id: {request_id}", auth=f"Bearer {key}")
    )
    return answer.status


async def test_clicks_chips_search_and_back(browser: Browser, upstream: RawUpstream) -> None:
    """A click filters; the address has it; a chip takes it back, and so does the back button."""
    consumers = {"app": consumer(limits=[{"name": "few", "rate": "3/d"}]), "other": consumer(OTHER_KEY)}
    async with (
        running_gateway(upstream.url, consumers=consumers) as gateway,
        open_reader(browser, gateway.admin_url) as reader,
    ):
        upstream.then(reply(b"{}"), reply(b'{"code": 21211}', status="400 Bad Request"))
        one = MESSAGES.replace("Messages", f"Messages/{SID}")
        assert [await get(gateway, "fine", one), await get(gateway, "bad"), await get(gateway, "third")] == [
            200,
            400,
            200,
        ]
        assert await get(gateway, "limited") == 429
        await get(gateway, "others", key=OTHER_KEY)
        page, rows = reader.page, reader.page.locator("tr.exchange td.request-id")
        await reader.look()
        await expect(rows).to_have_count(5)

        await page.locator("#consumers-table").get_by_role("button", name="other", exact=True).click()
        await expect(rows).to_have_text(["others"])
        await expect(page).to_have_url(re.compile(r"\?consumer=other"))
        await expect(page.locator("#consumers-table tbody tr")).to_have_count(1)
        await page.go_back()
        await expect(rows).to_have_count(5)
        await page.locator("#codes-table").get_by_role("button", name="21211").click()
        await expect(rows).to_have_text(["bad"])
        await page.get_by_role("button", name="Remove Code 21211").click()
        await expect(rows).to_have_count(5)

        for text, found, chip in (
            (SID, ["fine"], f"SID: {SID}"),
            ("rate_limited", ["limited"], "Slug: rate_limited"),
            ("21211", ["bad"], "Code: 21211"),
            ("third", ["third"], "Request id: third"),
        ):
            await reader.search(text)
            await expect(rows).to_have_text(found)
            await expect(page.locator("#chips")).to_contain_text(chip)
            await page.get_by_role("button", name="Clear").click()
            await expect(rows).to_have_count(5)

        await reader.open_exchange("limited")
        reason = page.locator(".reason")
        await expect(reason).to_contain_text("Refused: rate_limited.")
        await expect(reason).to_contain_text("app/few")
        await expect(reason).to_contain_text("a rate limit of the gateway is exceeded", ignore_case=True)
        await expect(reason).to_contain_text("errors.md#rate_limited")

        await page.goto(f"{reader.url}/?range=1m#consumer=app")
        body = page.locator("#consumer-body")
        await expect(body).to_contain_text("few")
        await expect(body).to_contain_text("3/d")
        await expect(page.locator("#consumer-note")).to_have_text("Of this replica.")
        await expect(body).to_contain_text("127.0.0.1")
        keys = body.locator(".block", has=page.get_by_role("heading", name="Keys"))
        await expect(keys.locator("tbody tr")).to_have_count(1)
        await expect(keys).to_contain_text("sha256:")
        await expect(keys.locator("td").nth(3)).to_contain_text(re.compile("ago|just now"))
        await expect(keys).to_contain_text("Since this replica started")
        await expect(page.locator("#range")).to_have_value("1m")
        await page.get_by_role("button", name="Close").click()
        await expect(page.locator("#consumer-page")).to_be_hidden()

        header = page.locator("#consumers-table").get_by_role("button", name="Refusals")
        await header.focus()
        await expect(page.get_by_role("tooltip")).to_contain_text("the gateway gave itself")
        await expect(header).to_have_attribute("aria-describedby", "tip")
        await page.keyboard.press("Escape")
        await expect(page.locator("#tip")).to_be_hidden()
        reader.require_peace()


async def test_a_copied_explain_runs(
    reader: Reader, gateway: Running, upstream: RawUpstream, tmp_path: Path
) -> None:
    """What the page copies is run, and says the route that the exchange had. The curl line has no key."""
    await get(gateway, "copied", MESSAGES.replace("Messages", f"Messages/{SID}"))
    await reader.look()
    texts: dict[str, str] = await reader.page.evaluate(
        """async () => {
          const [made, found] = await Promise.all([import("/static/commands.js"), fetch("/api/exchanges")]);
          const [exchange] = (await found.json()).exchanges;
          return { explain: made.explainOf(exchange), curl: made.curlOf(exchange), route: exchange.route };
        }"""
    )
    config = tmp_path / "gateway.yaml"
    config.write_text(yaml.safe_dump(configuration(upstream.url)))
    words = shlex.split(texts["explain"])
    assert words[:4] == ["gateway", "explain", "--consumer", "app"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *words, "--json", "--config", str(config),
        env=ENVIRON, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    found: dict[str, Any] = json.loads(out)
    assert (found["verdict"], found["route"]) == ("sent", texts["route"])
    assert SID in found["sent"]["head"][0]
    assert shlex.split(texts["curl"])[:3] == ["curl", "-u", "app:YOUR_KEY"]
    assert KEY not in texts["curl"]


@pytest.mark.parametrize("width", [390, 1440])
async def test_two_hundred_consumers(browser: Browser, upstream: RawUpstream, width: int) -> None:
    """The table scrolls in its place, a box finds one of them, and the page is as wide as the window."""
    names = [f"team-{number:03}" for number in range(200)]
    consumers = {name: consumer(f"gw_key-of-{name}-0123456789") for name in names}
    async with (
        running_gateway(upstream.url, consumers=consumers) as gateway,
        open_reader(browser, gateway.admin_url, viewport={"width": width, "height": 900}) as reader,
    ):
        await get(gateway, "one", key="gw_key-of-team-007-0123456789")
        await reader.look()
        rows = reader.page.locator("#consumers-table tbody tr")
        await expect(rows).to_have_count(200)
        assert await reader.page.evaluate("() => document.documentElement.scrollWidth") <= width
        height = await reader.page.locator("#consumers-table").evaluate("it => it.offsetHeight")
        assert height <= 500
        await reader.page.fill("#consumer-find", "team-007")
        await expect(rows).to_have_count(1)
        ARTEFACTS.mkdir(exist_ok=True)
        await reader.page.screenshot(path=ARTEFACTS / f"consumers-{width}.png", full_page=True)
        reader.require_peace()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def at_port() -> dict[str, str]:
    """An admin port of its own, by which replicas on one machine are told apart."""
    return {"listen": f"127.0.0.1:{free_port()}"}


async def check_older(reader: Reader) -> None:
    """The list pages back over both replicas, past what it was opened with, and has each exchange once."""
    rows, more = reader.page.locator("tr.exchange td.request-id"), reader.page.locator("#more")
    await expect(rows).to_have_count(60, timeout=60_000)
    for count in (120, 180, OLDER + 2):
        while await rows.count() < count:  # again where a replica was late
            await more.click()
            await expect(more).to_be_enabled(timeout=60_000)
        await expect(rows).to_have_count(count)
    found = await rows.all_inner_texts()
    assert sorted(found) == sorted([f"older-{number}" for number in range(OLDER)] + ["here", "there"])
    await more.evaluate("it => it.hidden || it.click()")  # it may have gone: there is nothing more
    await expect(more).to_be_hidden(timeout=60_000)


async def check_charts(reader: Reader) -> None:
    """Charts follow the filter over both replicas, and the range reaches six hours."""
    page, note = reader.page, reader.page.locator("#charts-note")
    await expect(note).to_have_text("A point is 10 s, of 2 replicas.", timeout=60_000)
    rates = page.locator("#chart-rates")
    await expect(rates.locator(".empty")).to_be_hidden(timeout=60_000)  # ten seconds are over
    await expect(page.locator("#chart-queue .explained")).to_contain_text("all traffic, this replica")
    moved = await reader.picture_of("rates")
    await page.locator("#range").select_option("6h")
    await expect(note).to_have_text("A point is a minute, of 2 replicas.")
    assert await reader.picture_of("rates") != moved
    await expect(page).to_have_url(re.compile("range=6h"))
    await page.get_by_role("button", name="Clear").click()
    await reader.search("there")
    await expect(note).to_contain_text("not counted over time")
    await expect(rates.locator(".empty")).to_be_hidden()
    await reader.search("nowhere-at-all")
    await expect(rates.locator(".empty")).to_be_visible()


async def test_over_two_replicas(browser: Browser, redis: RedisServer, upstream: RawUpstream) -> None:
    """The page of one shows and filters the exchanges of both, and says which one each was on."""
    settings: dict[str, Any] = {
        "store": redis.url,
        "consumers": {"app": consumer(), "other": consumer(OTHER_KEY)},
    }
    async with (
        running_gateway(upstream.url, admin=at_port(), **settings) as one,
        running_gateway(upstream.url, admin=at_port(), **settings) as two,
        open_reader(browser, one.admin_url) as reader,
    ):
        replicas = reader.page.request
        async with asyncio.timeout(60):
            while True:
                told = await (await replicas.get(f"{one.admin_url}/api/replicas")).json()
                if len([each for each in told["replicas"] if each["state"] == "live"]) == 2:
                    break
        calls = MESSAGES.replace("Messages", "Calls")
        for number in range(OLDER):
            await get((one, two)[number % 2], f"older-{number}", calls)
        await get(one, "here")
        await get(two, "there", key=OTHER_KEY)
        await reader.look()
        await check_older(reader)
        await reader.filter("route").fill("Messages")
        rows = reader.page.locator("tr.exchange td.request-id")
        await expect(rows).to_have_count(2, timeout=60_000)
        await reader.page.locator("tr.exchange").get_by_role("button", name="other", exact=True).click()
        await expect(rows).to_have_text(["there"])
        await reader.open_exchange("there")
        await expect(reader.page.locator(".details")).to_contain_text("Replica")
        await check_charts(reader)
        reader.require_peace()
