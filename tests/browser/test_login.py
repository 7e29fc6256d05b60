"""The login: by a DNS name and plain HTTP, where browsers send no Sec-Fetch-Site; and when a session ends."""

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.reader import LAUNCH, open_reader
from tests.clients.programs import require_tool
from tests.support.running import ENVIRON, running_gateway
from tests.support.upstream import RawUpstream, raw_upstream

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOST, TOKEN = "gateway.example.com", "page-token-0123456789abcdef"
ADMIN = {"listen": "127.0.0.1:0", "page_token": {"env": "PAGE"}, "hosts": [HOST]}


async def test_login_and_logout() -> None:
    """A wrong token is told, the right one opens the page; scripts see no cookie; logging out closes it."""
    rules = f"--host-resolver-rules=MAP {HOST} 127.0.0.1"
    async with (
        raw_upstream() as upstream,
        running_gateway(upstream.url, ENVIRON | {"PAGE": TOKEN}, admin=ADMIN) as gateway,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(
            executable_path=require_tool("chromium"), args=[*LAUNCH, rules]
        )
        url = f"http://{HOST}:{gateway.admin_url.rpartition(':')[2]}"
        async with open_reader(browser, url) as reader:
            page = reader.page
            await page.goto(url)
            await expect(page).to_have_url(f"{url}/login")
            reader.require_peace()
            await expect(page.get_by_label("Token")).to_be_focused()
            await page.keyboard.type("a-wrong-token-0123456789")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("alert")).to_have_text("The token is wrong.")
            reader.complaints.clear()  # Chromium notes the 401
            await page.get_by_label("Token").fill(TOKEN)
            await page.get_by_role("button", name="Log in").click()
            await expect(page).to_have_url(f"{url}/")
            await expect(page.locator("html")).to_have_attribute("data-link", "live")
            assert await page.evaluate("document.cookie") == ""
            reader.require_peace()
            await page.get_by_role("link", name="Log out").click()
            await page.get_by_role("button", name="Log out").click()
            await expect(page).to_have_url(f"{url}/login")
            await page.goto(url)
            await expect(page).to_have_url(f"{url}/login")
            reader.require_peace()
        await browser.close()


async def test_a_session_that_ends(browser: Browser, upstream: RawUpstream) -> None:
    """The page leads back to the login by itself."""
    async with (
        running_gateway(upstream.url, ENVIRON | {"PAGE": TOKEN}, admin=ADMIN) as gateway,
        open_reader(browser, gateway.admin_url) as reader,
    ):
        page = reader.page
        await page.goto(reader.url)
        await page.get_by_label("Token").fill(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_text("Serving")
        await page.context.clear_cookies()
        await expect(page).to_have_url(f"{reader.url}/login")
