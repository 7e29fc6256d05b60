"""The list of exchanges: live, filtered, opened to its timeline, paused, by keyboard; hostile names in it."""

import asyncio
import re

import pytest
from playwright.async_api import Route, expect

from tests.browser.reader import Reader
from tests.support.caller import FORM, MESSAGES, ask, request
from tests.support.running import Running
from tests.support.upstream import RawUpstream, raw, reply

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOO_MANY = reply(b'{"code": 20429}', status="429 Too Many Requests")
AWAY = reply(b'{"code": 20503}', status="503 Service Unavailable")


async def get(gateway: Running, request_id: str) -> None:
    """One read."""
    await ask(gateway.port, request(f"GET {MESSAGES}", f"X-Request-Id: {request_id}"))


async def faulted(gateway: Running, upstream: RawUpstream) -> None:
    """A read that meets the concurrency limit, then a 503, and is answered in the end."""
    upstream.then(TOO_MANY, AWAY, reply(b"{}", status="201 Created"))
    answer = await ask(gateway.port, request(f"GET {MESSAGES}", "X-Request-Id: faulted"))
    assert (answer.status, answer.value("gateway-attempts")) == (201, "3")


async def test_appear_as_they_end(reader: Reader, gateway: Running) -> None:
    """Without a reload, newest first."""
    await reader.look()
    await get(gateway, "first")
    await expect(reader.page.locator("tr.exchange")).to_have_count(1)
    await get(gateway, "second")
    await expect(reader.page.locator("tr.exchange")).to_have_count(2)
    rows = await reader.page.locator("tr.exchange td.request-id").all_inner_texts()
    assert rows == ["second", "first"]


async def test_filters(reader: Reader, gateway: Running, upstream: RawUpstream) -> None:
    """Each of the four, what is typed by halves, the address, and the live stream under a filter."""
    upstream.then(reply(b"{}", status="500 Oh"), reply(b"{}"), reply(b"{}", status="404 No"))
    for name in ("five", "fine", "four"):
        await get(gateway, name)
    await ask(gateway.port, request("GET /verify/v2/Services", "X-Request-Id: verify"))
    await ask(gateway.port, request(f"GET {MESSAGES}", "X-Request-Id: nobody", auth="Bearer gw_unknown"))
    await reader.look()
    rows = reader.page.locator("tr.exchange td.request-id")
    await expect(rows).to_have_count(5)

    status = reader.filter("status")
    await status.fill("5xx")
    await expect(rows).to_have_text(["five"])
    await expect(reader.page).to_have_url(re.compile(r"\?status=5xx$"))
    await status.fill("4")  # half typed: marked, and nothing changes
    await expect(status).to_have_js_property("validity.valid", value=False)
    await expect(rows).to_have_text(["five"])
    await status.fill("401")
    await expect(rows).to_have_text(["nobody"])
    await reader.page.get_by_role("button", name="Clear").click()
    await expect(rows).to_have_count(5)
    await expect(reader.page).not_to_have_url(re.compile("status"))

    await reader.filter("route").fill("services")
    await expect(rows).to_have_text(["verify"])
    await reader.filter("route").fill("")
    await reader.filter("consumer").fill("app")
    await expect(rows).to_have_text(["verify", "four", "fine", "five"])
    await reader.search("four")
    await expect(rows).to_have_text(["four"])

    await reader.look("?status=4xx&consumer=app")
    await expect(rows).to_have_text(["four"])
    await get(gateway, "fine-again")
    upstream.then(reply(b"{}", status="404 No"))
    await get(gateway, "four-again")
    await expect(rows).to_have_text(["four-again", "four"])


async def test_opens_to_its_timeline(reader: Reader, gateway: Running, upstream: RawUpstream) -> None:
    """Steps in order with what came of them, bars in proportion, facts, and a link that opens it alone."""
    await faulted(gateway, upstream)
    await reader.look()
    await reader.open_exchange("faulted")
    steps = [step for step in await reader.steps() if step[0] != "Queue"]
    assert [name for name, _ in steps] == ["Attempt 1", "Attempt 2", "Backoff", "Attempt 3"]
    key = "key SK0011…eeff"
    assert steps[0][1] == f"429 (code 20429), {key}, waits again, at the head of the queue"
    assert steps[1][1] == f"503, {key}, is tried again"
    assert steps[3][1] == f"201, {key}"
    summary = reader.page.locator(".summary")
    await expect(summary).to_have_text(re.compile(r"^201 after 3 attempts in [\d.]+ m?s: .* at Twilio"))
    ends = await reader.page.locator(".stretch").evaluate_all(
        """(bars) => bars.map((bar) => {
          const [own, track] = [bar.getBoundingClientRect(), bar.parentElement.getBoundingClientRect()];
          return [own.left - track.left, own.right - track.right];
        })"""
    )
    starts = [start for start, _ in ends]
    assert starts == sorted(starts)
    assert all(start >= -1 and end <= 3 for start, end in ends)
    facts = reader.page.locator(".details")
    for fact in ("faulted", "AC0011…eeff", "main", "app"):
        await expect(facts).to_contain_text(fact)

    await reader.look("?request_id=faulted")
    await expect(reader.page.locator("tr.opened .steps")).to_be_visible()


async def test_an_unknown_outcome_is_said(reader: Reader, gateway: Running, upstream: RawUpstream) -> None:
    """The one thing that nobody may overlook."""
    upstream.then(raw(ends="close"))
    await ask(gateway.port, request(f"POST {MESSAGES}", FORM, "X-Request-Id: doubtful", body=b"To=1"))
    await reader.look()
    await reader.open_exchange("doubtful")
    await expect(reader.page.locator(".doubt")).to_contain_text("It is unknown")


async def test_pause_and_reading_hold_it_still(reader: Reader, gateway: Running) -> None:
    """New ones are counted meanwhile, and come when it goes on."""
    await get(gateway, "one")
    await reader.look()
    rows = reader.page.locator("tr.exchange td.request-id")
    note = reader.page.locator("#exchanges-note")
    await expect(rows).to_have_count(1)
    await reader.page.get_by_role("button", name="Pause").click()
    await get(gateway, "two")
    await expect(note).to_contain_text("paused · 1 new")
    await expect(rows).to_have_count(1)
    await reader.page.get_by_role("button", name="Resume").click()
    await expect(rows).to_have_text(["two", "one"])
    await reader.open_exchange("one")
    await get(gateway, "three")
    await expect(note).to_contain_text("held while you read · 1 new")
    await expect(rows).to_have_count(2)
    await reader.page.keyboard.press("Escape")
    await reader.page.mouse.move(5, 5)
    await reader.filter("consumer").focus()
    await expect(rows).to_have_text(["three", "two", "one"])


async def test_an_answer_to_a_former_choice_is_not_shown(reader: Reader, gateway: Running) -> None:
    """It comes when another choice was made, and before the answer to that."""
    await get(gateway, "first")
    await get(gateway, "second")
    asked: asyncio.Queue[Route] = asyncio.Queue()
    await reader.page.route(lambda url: "/api/exchanges" in url and "status=2xx" in url, asked.put)
    await reader.look("?status=2xx")
    former = await asyncio.wait_for(asked.get(), 60)
    await reader.search("first")
    latter = await asyncio.wait_for(asked.get(), 60)
    async with reader.page.expect_response(lambda answer: answer.request == former.request):
        await former.continue_()
    await latter.continue_()
    await expect(reader.page.locator("tr.opened")).to_be_visible()  # the only one opens by itself
    await reader.page.keyboard.press("Escape")
    await expect(reader.page.locator("tr.exchange")).to_have_count(1)


async def test_with_a_keyboard_only(reader: Reader, gateway: Running, upstream: RawUpstream) -> None:
    """From the skip link through a filter to an opened timeline and out again; focus is always to be seen."""
    await faulted(gateway, upstream)
    await get(gateway, "other")
    await reader.look()
    keyboard = reader.page.keyboard
    await keyboard.press("Tab")
    assert await reader.focused() == "skip"
    await keyboard.press("Enter")
    visited = []
    for _ in range(8):
        await keyboard.press("Tab")
        visited.append(await reader.focused())
        outline = await reader.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", visited
        if visited[-1] == "search":
            break
    assert visited == ["pause", "consumer", "route", "status", "search"]
    await keyboard.press("Shift+Tab")
    await keyboard.type("2xx")
    await keyboard.press("Enter")
    await expect(reader.page.locator("tr.exchange")).to_have_count(2)
    await keyboard.press("Tab")
    await keyboard.type("faulted")
    await keyboard.press("Enter")
    await expect(reader.page.locator("tr.opened")).to_be_visible()  # the only one opens by itself
    while await reader.focused() != "open":
        await keyboard.press("Tab")
    await keyboard.press("Escape")
    await expect(reader.page.locator("tr.opened")).to_have_count(0)
    assert await reader.focused() == "open"
    for key in ("Enter", "Space"):
        await keyboard.press(key)
        await expect(reader.page.locator("tr.opened .steps")).to_be_visible()
        await keyboard.press("Tab")
        assert await reader.focused() == "pick bounded"
        while await reader.focused() != "copy":
            await keyboard.press("Tab")
        await keyboard.press("Escape")
        await expect(reader.page.locator("tr.opened")).to_have_count(0)
        assert await reader.focused() == "open"


async def test_charts_with_a_keyboard(reader: Reader, gateway: Running) -> None:
    """Arrow keys move one cursor through all charts."""
    await get(gateway, "one")
    await reader.look()
    await expect(reader.page.locator("#chart-rates .empty")).to_be_hidden()
    await reader.page.locator("#chart-rates .plot").focus()
    await reader.page.keyboard.press("ArrowLeft")
    for chart in ("rates", "total", "pressure"):
        time = reader.page.locator(f"#chart-{chart} .at")
        await expect(time).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    await reader.page.keyboard.press("Escape")
    await expect(reader.page.locator("#chart-total .at")).to_have_text("")


async def test_hostile_names_are_inert(reader: Reader, gateway: Running) -> None:
    """What a caller can choose (request id, user name, path) is text, whatever it looks like."""
    hostile = '<img src=x onerror=document.title="owned">"\'><script>document.title="owned"</script>'
    await ask(gateway.port, request(f"GET {MESSAGES}", f"X-Request-Id: {hostile}"))
    await get(gateway, "javascript:alert(1)")
    await get(gateway, "</td><svg/onload=alert(1)>")
    await ask(gateway.port, request("GET /2010-04-01/%3Cimg%20src=x%3E", f"X-Request-Id: {hostile}"))
    alerts: list[str] = []
    reader.page.on("dialog", lambda dialog: alerts.append(dialog.message))
    await reader.look()
    rows = reader.page.locator("tr.exchange")
    await expect(rows).to_have_count(4)
    for row in range(4):
        await rows.nth(row).locator(".open").click()
    await reader.page.goto(f"{reader.url}/?consumer=%3Cimg%20src%3Dx%3E&route=%22%3E%3Cscript%3E&status=zz")
    await expect(reader.page.locator("html")).to_have_attribute("data-link", "live")
    await expect(reader.page.locator("#exchanges-empty")).to_be_visible()
    assert await reader.page.title() == "twilio-gateway"
    assert await reader.page.locator("main img, main script, main td svg").count() == 0
    assert alerts == []
