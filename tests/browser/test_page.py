"""The page as a whole: its policy, its colours, its width, and that it is alive."""

import asyncio
import re

import pytest
from playwright.async_api import Browser, expect

from tests.browser.reader import ARTEFACTS, Reader, open_reader
from tests.support.caller import FORM, MESSAGES, ask, request
from tests.support.running import Running
from tests.support.upstream import RawUpstream, reply

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHARTS = ["rates", "total", "overhead", "queue", "concurrency", "pressure"]


async def send(gateway: Running, count: int, status: int = 200) -> None:
    """Some requests, one after the other."""
    for _ in range(count):
        assert (await ask(gateway.port, request(f"GET {MESSAGES}"))).status == status


async def test_loads_under_its_policy(reader: Reader, gateway: Running) -> None:
    """Everything comes from the gateway, nothing is inline, and the browser has nothing to say against it."""
    answer = await reader.page.goto(reader.url)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    await expect(reader.page.locator("#state")).to_have_text("Serving")
    await expect(reader.page.locator("#fact-config")).to_have_text(re.compile("[0-9a-f]{8,12}"))
    await expect(reader.page.locator("#fact-uptime")).to_have_text(re.compile(" s$"))
    await expect(reader.page.locator("figure canvas")).to_have_count(len(CHARTS))
    assert await reader.page.locator("[style*=expression], script:not([src])").count() == 0
    for text in await reader.page.locator("figure .empty").all_inner_texts():
        assert re.search("[Nn]o(thing)? .* yet", text), text
    await expect(reader.page.locator("#exchanges-empty")).to_be_visible()
    reader.require_peace()
    assert await reader.page.evaluate(_INLINE) == 0
    assert "Content Security Policy" in reader.complaints.pop()


async def test_charts_move_with_traffic(reader: Reader, gateway: Running, upstream: RawUpstream) -> None:
    """Numbers and pixels both: requests, a 500, and a 429 that is waited out."""
    await reader.look()
    before = {name: await reader.picture_of(name) for name in CHARTS}
    too_many = reply(b'{"code": 20429}', status="429 Too Many Requests")
    upstream.then(too_many, reply(b"{}"), reply(b"{}", status="500 Oh"))
    await send(gateway, 1)
    await send(gateway, 1, 500)
    await send(gateway, 20)
    for name in ("rates", "total", "overhead", "concurrency", "pressure"):
        note = reader.page.locator(f"#chart-{name} .empty")
        await expect(note).to_be_hidden()
        async with asyncio.timeout(60):
            while await reader.picture_of(name) == before[name]:
                await reader.page.wait_for_timeout(100)
    spoken = reader.page.locator("#chart-rates .plot")
    await expect(spoken).to_have_attribute("aria-label", re.compile(r"2xx [\d.]+/s.*5xx [\d.]+/s"))
    limit = reader.page.locator("#chart-concurrency .headline")
    await expect(limit).to_have_text(re.compile(r"^\d+ / \d+"))
    moving = await reader.picture_of("rates")
    async with asyncio.timeout(60):  # without a request, time goes on
        while await reader.picture_of("rates") == moving:
            await reader.page.wait_for_timeout(200)


async def test_tables_say_what_was_sent(reader: Reader, gateway: Running, upstream: RawUpstream) -> None:
    """Rates and errors by consumer and route, Twilio's code with a link, our slug, the key."""
    upstream.then(reply(b'{"code": 21211}', status="400 Bad Request"))
    await ask(gateway.port, request(f"POST {MESSAGES}", FORM, body=b"To=1"))
    await send(gateway, 3)
    java = "User-Agent: twilio-java/12.0.0 (Linux amd64) java/21"
    await ask(gateway.port, request(f"POST {MESSAGES.replace('Messages', 'Keys')}", FORM, java, body=b"To=1"))
    await reader.look()
    row = reader.page.locator("#consumers-table tbody tr", has_text="app")
    await expect(row.locator("td[data-label=Requests]")).to_have_text("5")
    await expect(row.locator("td[data-label=Errors]")).to_have_text("240 %")
    await expect(row.locator("td[data-label=Refusals]")).to_have_text("120 %")
    await expect(row.locator(".sdk-list")).to_have_text("twilio-java 12.0.0sends POSTs again")
    link = reader.page.get_by_role("link", name="21211")
    await expect(link).to_have_attribute("href", re.compile("^https://www.twilio.com/docs/.*21211$"))
    await expect(link).to_have_attribute("rel", re.compile("noopener"))
    await expect(reader.page.locator("#codes-table")).to_contain_text("management_endpoint")
    await expect(reader.page.locator("#credentials-table")).to_contain_text("SK0011…eeff")
    await expect(reader.page.locator("#credentials-table .tag.good")).to_have_text("in use")
    header = reader.page.locator("#consumers-table th", has_text="p95")
    await header.get_by_role("button").click()
    await expect(header).to_have_attribute("aria-sort", "descending")
    await header.get_by_role("button").click()
    await expect(header).to_have_attribute("aria-sort", "ascending")


async def test_light_and_dark(browser: Browser, gateway: Running) -> None:
    """The system's choice at first, then the reader's, which is kept."""
    ground = "() => getComputedStyle(document.body).backgroundColor"
    for scheme, other in (("light", "dark"), ("dark", "light")):
        async with open_reader(browser, gateway.admin_url, color_scheme=scheme) as reader:
            await reader.look()
            first = await reader.page.evaluate(ground)
            before = await reader.picture_of("rates")
            await reader.page.get_by_label("Colours").select_option(other)
            assert await reader.page.evaluate(ground) != first
            assert await reader.picture_of("rates") != before
            await reader.look()
            assert await reader.page.evaluate(ground) != first
            await reader.page.get_by_label("Colours").select_option("auto")
            assert await reader.page.evaluate(ground) == first
            reader.require_peace()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_words_can_be_read(browser: Browser, gateway: Running, scheme: str) -> None:
    """Contrast of text to its ground: 4.5 to 1 at least (WCAG 2.2, 1.4.3)."""
    await send(gateway, 2)
    async with open_reader(browser, gateway.admin_url, color_scheme=scheme) as reader:
        await reader.look()
        await reader.page.locator("tr.exchange").first.click()
        faint = await reader.page.evaluate(_CONTRAST)
        assert faint == []


async def test_no_table_is_cut_on_a_laptop(reader: Reader, gateway: Running, upstream: RawUpstream) -> None:
    """At 1280 pixels every column is seen: a last 401 that has to be scrolled to is not."""
    upstream.then(reply(b'{"code": 20003, "status": 401}', status="401 Unauthorized"))
    await reader.look()
    await send(gateway, 1, 401)
    await expect(reader.page.locator("#credentials-table tbody")).to_contain_text(re.compile("now|ago"))
    for name in ("consumers", "codes", "routes", "credentials"):
        scroller = reader.page.locator(f"#{name}-table .scroller")
        assert await scroller.evaluate("it => it.scrollWidth - it.clientWidth") == 0, name


@pytest.mark.parametrize("width", [320, 360, 768])
async def test_phone_width(browser: Browser, gateway: Running, width: int) -> None:
    """The page scrolls down only, and what is to be touched can be (WCAG 2.2, 2.5.8: 24 by 24)."""
    await ask(gateway.port, request(f"GET {MESSAGES}", "X-Request-Id: " + "long-" * 20))
    async with open_reader(
        browser, gateway.admin_url, viewport={"width": width, "height": 740}, has_touch=True
    ) as reader:
        await reader.look()
        await reader.page.locator("tr.exchange .open").first.tap()
        await expect(reader.page.locator("tr.opened .steps")).to_be_visible()
        wide = await reader.page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= width
        small = await reader.page.evaluate(
            """() => [...document.querySelectorAll("button, select, input, nav a")]
              .filter((it) => it.checkVisibility())
              .map((it) => [it.textContent || it.name, it.getBoundingClientRect()])
              .filter(([, box]) => box.width < 24 || box.height < 24).map(([name]) => name)"""
        )
        assert small == []
        ARTEFACTS.mkdir(exist_ok=True)
        await reader.page.screenshot(path=ARTEFACTS / f"phone-{width}.png")
        reader.require_peace()


async def test_a_hidden_tab_asks_for_nothing(reader: Reader, gateway: Running) -> None:
    """It lets go of the stream, and reads everything again when it is looked at."""
    await reader.look()
    await reader.page.evaluate(_HIDE, True)
    await expect(reader.page.locator("#state")).to_have_text("Asleep")
    asked: list[str] = []
    reader.page.on("request", lambda request: asked.append(request.url))
    await ask(gateway.port, request(f"GET {MESSAGES}", "X-Request-Id: while-hidden"))
    await reader.page.wait_for_timeout(6_000)  # longer than tables wait
    assert asked == []
    await reader.page.evaluate(_HIDE, False)
    await expect(reader.page.locator("#exchange-rows")).to_contain_text("while-hidden")


_INLINE = """() => {
  window.inline = 0;
  const script = document.createElement("script");
  script.textContent = "window.inline = 1";
  document.head.append(script);
  return window.inline;
}"""

_HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""

_CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const bytes = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const part = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (it) => {
    for (let at = it; at; at = at.parentElement) {
      const found = bytes(getComputedStyle(at).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255, 255];
  };
  const faint = [];
  for (const it of document.querySelectorAll("body *")) {
    const own = [...it.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !it.checkVisibility() || it.closest(":disabled, svg, .unseen, .skip, datalist")) continue;
    const [a, b] = [light(bytes(getComputedStyle(it).color)), light(ground(it))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push(`${it.className} ${it.textContent.trim().slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return faint;
}"""
