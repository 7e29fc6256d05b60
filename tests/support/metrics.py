"""What a scraper sees of a running gateway: its samples by name and labels, read strictly."""

import asyncio
import random
import re
import string
from collections.abc import Iterable, Iterator

import aiohttp
from prometheus_client.openmetrics import parser
from prometheus_client.samples import Sample

from gateway.twilio.catalogue import Route

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_ASK_EVERY_SECONDS = 0.1
_FOREIGN = ("process_", "python_")  # not of our making, and growing with the interpreter's garbage collector
Series = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and its labels, sorted."""


async def fetch(admin_url: str, accept: str = OPENMETRICS) -> str:
    """The exposition, as text."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{admin_url}/metrics", headers={"Accept": accept}) as answer,
    ):
        answer.raise_for_status()
        return await answer.text()


def read_samples(text: str) -> dict[Series, float]:
    """Every sample of an OpenMetrics exposition. Raises `ValueError` for anything else, or a series twice."""
    found: dict[Series, float] = {}
    for family in parser.text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        found.update((name_of(sample), sample.value) for sample in family.samples)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    if len(lines) != len(found):
        raise ValueError("a series comes twice")
    return found


def name_of(sample: Sample) -> Series:
    """What tells a series from all others."""
    return sample.name, tuple(sorted(sample.labels.items()))


def own(series: Iterable[Series]) -> set[Series]:
    """The gateway's, less the process'."""
    return {each for each in series if not each[0].startswith(_FOREIGN)}


async def scrape(admin_url: str) -> dict[Series, float]:
    """All samples of a gateway."""
    return read_samples(await fetch(admin_url))


async def scrape_until(admin_url: str, name: str, wanted: float) -> dict[Series, float]:
    """The first page on which a metric's samples add up to this: a page is kept for a second."""
    async with asyncio.timeout(120):
        while True:
            samples = await scrape(admin_url)
            if total(samples, name) == wanted:
                return samples
            await asyncio.sleep(_ASK_EVERY_SECONDS)


def total(samples: dict[Series, float], name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    wanted = set(labels.items())
    return sum(value for (each, pairs), value in samples.items() if each == name and wanted <= set(pairs))


_SHAPES = (
    "/*", "/wp-admin/*", "/.env.*", "/2010-04-01/*", "/2010-04-01/Accounts/*.jsonx", "/v1/*/Services",
    "/v2/Services/*/*", "/v1/*", "/actuator/*/health", "/*/*/*/*/*/*/*/*", "/v2010/Accounts/*",
)  # fmt: skip
_PARAMETER = re.compile(r"\{[^}]+\}")
_HEX = "0123456789abcdef"


def path_of(route: Route, account: str, chance: random.Random) -> str:
    """A path of this route: ids drawn anew, but the account's."""

    def fill(match: re.Match[str]) -> str:
        name = match[0]
        if name == "{AccountSid}" or (
            route.product == "api" and route.template.startswith(f"/2010-04-01/Accounts/{name}")
        ):
            return account
        return chance.choice(("SM", "PN", "+1")) + "".join(chance.choices(_HEX, k=32))

    return _PARAMETER.sub(fill, route.template)


def junk_paths(count: int, chance: random.Random) -> Iterator[str]:
    """What scanners and typos ask for, each another path. The shapes repeat, the names in them do not."""
    letters = string.ascii_letters + string.digits + "-_"
    for number in range(count):
        word = "".join(chance.choices(letters, k=10))
        yield _SHAPES[number % len(_SHAPES)].replace("*", f"{word}{number}")


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'")
_NOT_METRICS = re.compile(
    r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
)
_OPERATORS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})


def metrics_in(expression: str) -> set[str]:
    """The names of metrics in a PromQL expression: what is left once strings, selectors, ranges, grouping
    labels, functions, numbers and operators are taken away."""
    rest = _NOT_METRICS.sub(" ", _STRING.sub('""', expression))
    words = re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*|[0-9.]+[a-z]*|\S", rest)
    followed = zip(words, [*words[1:], ""], strict=True)
    return {
        word
        for word, following in followed
        if re.match(r"[a-zA-Z_:]", word) and following != "(" and word.lower() not in _OPERATORS
    }


def declared_in(text: str) -> dict[str, str]:
    """The names by which a family of an exposition can be asked for -> the name that documents call it."""
    found: dict[str, str] = {}
    for family in parser.text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        documented = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        suffixes = ("_bucket", "_sum", "_count") if family.type == "histogram" else ("",)
        found.update((documented + suffix, documented) for suffix in suffixes)
    return found
