"""The webhooks section of the page: there with a webhook port only, with its routes and latest events."""

import pytest
from playwright.async_api import Browser, expect

from tests.browser.reader import Reader, open_reader
from tests.support.webhooks import message, webhook_scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_hidden_without_a_webhook_port(reader: Reader) -> None:
    await reader.look()
    await expect(reader.page.locator("#consumers-table")).to_be_visible()
    await expect(reader.page.locator("#webhooks")).to_be_hidden()
    await expect(reader.page.locator("#webhooks-link")).to_be_hidden()


async def test_routes_and_events(browser: Browser) -> None:
    async with webhook_scene() as scene:
        assert (await scene.twilio.post("/sms/orders", message())).status == 200
        assert (await scene.twilio.post("/sms/orders", message(), token="f" * 32)).status == 403
        async with open_reader(browser, scene.gateway.admin_url) as reader:
            await reader.look()
            routes, events = reader.page.locator("#webhook-routes"), reader.page.locator("#webhook-events")
            await expect(routes.locator("tbody tr")).to_have_count(2)
            await expect(routes).to_contain_text("/voice/orders/**")
            await expect(events.locator("tbody tr")).to_have_count(2)
            await expect(events).to_contain_text("bad signature")
            await expect(events).to_contain_text("service 200")
            await expect(events).to_contain_text(message()["MessageSid"])
            assert message()["From"] not in await reader.page.content()
            reader.require_peace()
