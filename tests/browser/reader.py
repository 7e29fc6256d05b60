"""Somebody who looks at the live page with a browser, and what the browser complained of meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, expect

ARTEFACTS = Path(__file__).parent / "artefacts"
LAUNCH = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

expect.set_options(timeout=60_000)


@dataclass
class Reader:
    """`page` stands at the gateway's live page."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def require_peace(self) -> None:
        """Nothing on the console, no script error, no request to anywhere but the gateway."""
        assert (self.complaints, self.strangers) == ([], [])

    async def look(self, search: str = "") -> None:
        """Open the page, and wait until it hears from the gateway."""
        await self.page.goto(f"{self.url}/{search}")
        await expect(self.page.locator("html")).to_have_attribute("data-link", "live")

    def filter(self, name: str) -> Locator:
        """A field of the list's filters."""
        return self.page.locator(f"#filters [name={name}]")

    async def search(self, text: str) -> None:
        """Type into the one search field, and press Enter."""
        await self.filter("search").fill(text)
        await self.filter("search").press("Enter")

    async def picture_of(self, chart: str) -> str:
        """The pixels of a chart, as the browser encodes them."""
        found: str = await self.page.locator(f"#chart-{chart} canvas").evaluate("it => it.toDataURL()")
        return found

    async def open_exchange(self, request_id: str) -> None:
        """Click a row of the list."""
        await self.page.locator("tr.exchange", has_text=request_id).locator(".open").click()
        await expect(self.page.locator("tr.opened")).to_be_visible()

    async def steps(self) -> list[tuple[str, str]]:
        """The opened exchange's steps: name, and what came of it."""
        names = await self.page.locator(".steps .step-name").all_inner_texts()
        outcomes = await self.page.locator(".steps .step-outcome").all_inner_texts()
        return list(zip(names, outcomes, strict=True))

    async def focused(self) -> str:
        """A few words on what has the keyboard."""
        found: str = await self.page.evaluate(
            "() => (({ name, id, className, tagName }) => name || id || className || tagName)"
            "(document.activeElement)"
        )
        return found


@asynccontextmanager
async def open_reader(browser: Browser, url: str, **options: Any) -> AsyncIterator[Reader]:
    """A browser window of its own (`options` as playwright has them), not yet at the page."""
    context = await browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    page = await context.new_page()
    page.set_default_timeout(120_000)
    reader = Reader(page, url)

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            reader.complaints.append(message.text)

    def asked(request: Request) -> None:
        if not request.url.startswith((f"{url}/", "data:")):
            reader.strangers.append(request.url)

    page.on("console", heard)
    page.on("pageerror", lambda error: reader.complaints.append(str(error)))
    page.on("request", asked)
    try:
        yield reader
    finally:
        await context.close()
