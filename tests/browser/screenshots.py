"""The README's pictures: `python -m tests.browser.screenshots [--minutes 15] [--url http://127.0.0.1:9090]`.

Runs `gateway demo --traffic` for a while, unless it is told where one runs already, and looks at its page.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from tests.browser.reader import LAUNCH, open_reader
from tests.clients.programs import require_tool

_FOLDER = Path(__file__).parents[2] / "docs" / "images"
_WINDOW = {"width": 1400, "height": 940}
_RECOVERED = """() => {
  const rows = [...document.querySelectorAll("tr.exchange")].slice(0, 7);
  const row = rows.find((it) => /^201/.test(it.cells[1].textContent) && it.querySelector("td.number b")
    && it.querySelector(".kind-queue"));
  if (row) document.getElementById("pause").click();
  row?.click();
  return Boolean(row);
}"""


@asynccontextmanager
async def demonstration() -> AsyncIterator[str]:
    """`gateway demo --traffic` on ports of its own; the URL of its page."""
    environ = {
        "GATEWAY__LISTEN": "127.0.0.1:18180",
        "GATEWAY__ADMIN__LISTEN": "127.0.0.1:19190",
        "GATEWAY__UPSTREAM__CONNECT_TO": "http://127.0.0.1:19201",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "demo", "--traffic",
        env={**os.environ, **environ}, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield "http://127.0.0.1:19190"
    finally:
        process.terminate()
        await process.wait()


async def shoot(browser: Browser, url: str) -> None:
    """Light: what one sees first, and a consumer's page. Dark: an exchange that met trouble, opened."""
    _FOLDER.mkdir(exist_ok=True)
    options: dict[str, Any] = {"viewport": _WINDOW, "reduced_motion": "reduce"}
    async with open_reader(browser, url, color_scheme="light", **options) as reader:
        await reader.look()
        await reader.page.wait_for_timeout(3_000)
        await reader.page.screenshot(path=_FOLDER / "page-light.png")
    async with open_reader(browser, url, color_scheme="dark", **options) as reader:
        await reader.look()
        await reader.page.wait_for_function(_RECOVERED, timeout=300_000)
        await reader.page.locator("#exchanges").evaluate("(it) => it.scrollIntoView()")
        await reader.page.wait_for_timeout(1_000)
        await reader.page.screenshot(path=_FOLDER / "page-dark.png")

    async with open_reader(browser, url, color_scheme="light", **options) as reader:
        await reader.look()
        await reader.page.locator("#consumers-table .open-page").first.click()
        await reader.page.locator("#consumer-body .block").first.wait_for()
        await reader.page.wait_for_timeout(1_000)
        await reader.page.locator("#consumer-page").evaluate("(it) => it.scrollIntoView()")
        await reader.page.screenshot(path=_FOLDER / "page-consumer.png")


async def main() -> None:
    """Parse, wait, shoot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=15.0, help="of traffic before the pictures are taken"
    )
    parser.add_argument("--url", help="the page of a gateway that runs already")
    args = parser.parse_args()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=require_tool("chromium"), args=LAUNCH)
        if args.url:
            await shoot(browser, args.url)
        else:
            async with demonstration() as url:
                await asyncio.sleep(args.minutes * 60)
                await shoot(browser, url)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
