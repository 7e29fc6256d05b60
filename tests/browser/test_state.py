"""The top of the page: degraded and why, and a gateway that goes away and comes back."""

import re

import pytest
from playwright.async_api import Browser, expect

from tests.browser.reader import open_reader
from tests.support.caller import MESSAGES, ask, request
from tests.support.free_ports import free_port
from tests.support.running import running_gateway
from tests.support.upstream import RawUpstream, raw_upstream

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_degraded_says_why(browser: Browser) -> None:
    """Twilio cannot be reached: in words, in colour, by an icon, in the title, and to a screen reader."""
    async with (
        running_gateway(f"http://127.0.0.1:{free_port()}") as gateway,
        open_reader(browser, gateway.admin_url) as reader,
    ):
        await reader.look()
        state = reader.page.locator("#state")
        await expect(state).to_have_text("Serving")
        calm = await state.evaluate("it => getComputedStyle(it).color")
        for _ in range(4):
            await ask(gateway.port, request(f"GET {MESSAGES}"))
        await expect(state).to_have_text("Degraded")
        await expect(reader.page.locator("#why")).to_contain_text("breaker")
        await expect(reader.page.locator("#why")).to_contain_text("api.twilio.com")
        await expect(reader.page.locator("#announcement")).to_have_text(re.compile("^Degraded breaker"))
        await expect(state.locator("use")).to_have_attribute("href", "#icon-warning")
        await expect(reader.page).to_have_title(re.compile("^Degraded"))
        assert await state.evaluate("it => getComputedStyle(it).color") != calm
        reader.require_peace()


async def test_what_is_wrong_covers_nothing(browser: Browser, upstream: RawUpstream) -> None:
    """On a telephone, Redis away: it says what to do, and a consumer's heading is below the header."""
    async with (
        running_gateway(upstream.url, store=f"redis://127.0.0.1:{free_port()}") as gateway,
        open_reader(browser, gateway.admin_url, viewport={"width": 390, "height": 740}) as reader,
    ):
        await ask(gateway.port, request(f"GET {MESSAGES}"))
        await reader.look("#consumer=app")
        await expect(reader.page.locator("#why")).to_contain_text("check that Redis runs")
        await expect(reader.page.locator("#consumer-body .block").first).to_be_visible()
        await reader.page.wait_for_function(
            "() => document.querySelector('#consumer-title').getBoundingClientRect().top >="
            " document.querySelector('.top').getBoundingClientRect().bottom"
        )
        reader.require_peace()


async def test_comes_back_after_a_restart(browser: Browser) -> None:
    """The page says so, dims, and goes on by itself; what it has seen before stays."""
    admin = {"listen": f"127.0.0.1:{free_port()}"}
    async with raw_upstream() as upstream, open_reader(browser, f"http://{admin['listen']}") as reader:
        page = reader.page
        async with running_gateway(upstream.url, admin=admin) as gateway:
            await reader.look()
            await ask(gateway.port, request(f"GET {MESSAGES}", "X-Request-Id: before"))
            await expect(page.locator("#exchange-rows")).to_contain_text("before")
            await expect(page.locator("#chart-rates .empty")).to_be_hidden()
        await expect(page.locator("#state")).to_have_text("Reconnecting…")
        await expect(page.locator("#why")).to_contain_text("does not answer")
        await expect(page.locator("main")).to_have_css("opacity", "0.5")
        async with running_gateway(upstream.url, admin=admin) as gateway:
            await expect(page.locator("#state")).to_have_text("Serving")
            await expect(page.locator("main")).to_have_css("opacity", "1")
            await ask(gateway.port, request(f"GET {MESSAGES}", "X-Request-Id: after"))
            await expect(page.locator("tr.exchange td.request-id")).to_have_text(["after", "before"])
            await expect(page.locator("#chart-rates .empty")).to_be_hidden()
        assert reader.strangers == []
