"""Stopping and starting a consumer on the page, and a login that may only view."""

import pytest
from playwright.async_api import Browser, Dialog, expect

from tests.browser.reader import Reader, open_reader
from tests.integration.test_stops import OPERATE, OPERATED, ROLES
from tests.support.caller import MESSAGES, ask, request
from tests.support.running import Running, running_gateway
from tests.support.upstream import RawUpstream

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def status(gateway: Running) -> int:
    return (await ask(gateway.port, request(f"GET {MESSAGES}"))).status


async def test_a_consumer_is_stopped_and_started(reader: Reader, gateway: Running) -> None:
    asked: list[str] = []

    async def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await dialog.accept()

    await reader.look()
    reader.page.on("dialog", agree)
    await expect(reader.page.locator("#stops-table")).to_contain_text("Nothing is stopped.")
    await reader.page.fill("#stop-form input[name=consumer]", "app")
    await reader.page.click("#stop-form button")
    await expect(reader.page.locator("#stop-said")).to_contain_text("Stopped on ")
    await expect(reader.page.locator("#stops-table tbody")).to_contain_text("app")
    assert await status(gateway) == 403
    await reader.page.get_by_role("button", name="Start app").click()
    await expect(reader.page.locator("#stop-said")).to_contain_text("Started on ")
    await expect(reader.page.locator("#stops-table")).to_contain_text("Nothing is stopped.")
    assert await status(gateway) == 200
    assert asked == ["Stop app, on all replicas?", "Start app, on all replicas?"]


async def test_who_thinks_again_stops_nothing(reader: Reader, gateway: Running) -> None:
    await reader.look()
    reader.page.on("dialog", lambda dialog: dialog.dismiss())
    await reader.page.fill("#stop-form input[name=consumer]", "all")
    await reader.page.click("#stop-form button")
    await expect(reader.page.locator("#stops-table")).to_contain_text("Nothing is stopped.")
    assert await status(gateway) == 200


@pytest.mark.parametrize("may_operate", [True, False])
async def test_a_login_that_may_only_view(browser: Browser, upstream: RawUpstream, may_operate: bool) -> None:
    token = OPERATE if may_operate else OPERATED["PAGE_TOKEN"]
    async with (
        running_gateway(upstream.url, OPERATED, admin=ROLES) as gateway,
        open_reader(browser, gateway.admin_url) as reader,
    ):
        await reader.page.goto(f"{gateway.admin_url}/login")
        await reader.page.fill("#token", token)
        await reader.page.get_by_role("button", name="Log in").click()
        await expect(reader.page.locator("#state")).to_have_text("Serving")
        await expect(reader.page.locator("#stops-table")).to_contain_text("Nothing is stopped.")
        await expect(reader.page.locator("#stop-form")).to_be_visible(visible=may_operate)
