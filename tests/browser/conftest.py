"""What the browser tests share: Debian's Chromium, and somebody who notes whatever goes wrong in the page."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.reader import ARTEFACTS, LAUNCH, Reader, open_reader
from tests.clients.programs import require_tool
from tests.support.running import Running, running_gateway
from tests.support.upstream import RawUpstream, raw_upstream


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, as Debian has it; one for all tests, each with windows of its own."""
    program = require_tool("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=LAUNCH, timeout=180_000)
        try:
            yield browser
        finally:
            await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def upstream() -> AsyncIterator[RawUpstream]:
    """Answers `{}` until it is given a script."""
    async with raw_upstream() as upstream:
        yield upstream


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(upstream: RawUpstream) -> AsyncIterator[Running]:
    """A gateway in front of `upstream`."""
    async with running_gateway(upstream.url, upstream={"deadline_seconds": 5}) as gateway:
        yield gateway


@pytest_asyncio.fixture(loop_scope="session")
async def reader(browser: Browser, gateway: Running, request: pytest.FixtureRequest) -> AsyncIterator[Reader]:
    """Somebody who looks at the page of `gateway`. Afterwards: no complaint of the browser's; a picture."""
    async with open_reader(browser, gateway.admin_url) as reader:
        yield reader
        ARTEFACTS.mkdir(exist_ok=True)
        name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
        await reader.page.screenshot(path=ARTEFACTS / f"{name}.png")
        reader.require_peace()
