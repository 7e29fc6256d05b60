"""Names of 64 letters, as the configuration allows them: cells are bounded, at any width (row D11)."""

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.reader import ARTEFACTS, open_reader
from tests.support.caller import MESSAGES, ask, request
from tests.support.running import ACCOUNT_SID, consumer, running_gateway
from tests.support.upstream import RawUpstream

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = "a-consumer-of-sixty-four-letters-" + "x" * 31
CREDENTIAL = "a-credential-of-sixty-four-letters-" + "y" * 29
assert len(NAME) == len(CREDENTIAL) == 64


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
async def test_d11_a_long_name_squeezes_nothing(
    browser: Browser, upstream: RawUpstream, width: int, scheme: str
) -> None:
    settings = {
        "credentials": {
            CREDENTIAL: {
                "account_sid": ACCOUNT_SID,
                "keys": [{"sid": "SK" + "1" * 32, "secret": {"env": "S1"}}],
            }
        },
        "consumers": {NAME: consumer("long-key-0123456789", credential=CREDENTIAL)},
    }
    async with running_gateway(upstream.url, {"S1": "s" * 32}, **settings) as gateway:
        for _ in range(3):
            answer = await ask(gateway.port, request(f"GET {MESSAGES}", auth="Bearer long-key-0123456789"))
            assert answer.status == 200
        options: Any = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
        async with open_reader(browser, gateway.admin_url, **options) as reader:
            await reader.look()
            cell = reader.page.locator("#exchanges-table .bounded, .exchange .bounded").first
            await expect(cell).to_have_attribute("title", NAME)
            await expect(reader.page.locator("#consumers-table .bounded")).to_have_attribute("title", NAME)
            await expect(reader.page.locator("#credentials-table .bounded")).to_have_attribute(
                "title", CREDENTIAL
            )
            ARTEFACTS.mkdir(exist_ok=True)
            await reader.page.screenshot(path=ARTEFACTS / f"long-{width}-{scheme}.png", full_page=True)
            assert await reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            path = reader.page.locator(".exchange .path").first
            box, line = (
                await path.bounding_box(),
                await path.evaluate("it => parseFloat(getComputedStyle(it).lineHeight)"),
            )
            assert box is not None
            assert box["height"] <= 4.5 * line, "a path is read in lines, not in letters"
            assert box["width"] >= 120
            if width == 1280:
                for table in ("consumers", "credentials"):
                    cut = await reader.page.locator(f"#{table}-table .scroller").evaluate(
                        "it => it.scrollWidth - it.clientWidth"
                    )
                    assert cut == 0, table
            reader.require_peace()
