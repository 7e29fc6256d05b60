"""A real Prometheus for a test: its own folder, its own port, scraping every half second."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.clients.programs import require_tool
from tests.support.free_ports import free_port

ALERTS = Path(__file__).parents[2] / "deploy/prometheus/alerts.yaml"
_ASK_EVERY_SECONDS = 0.1


@dataclass
class Prometheus:
    """Answers queries."""

    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str, **parameters: str) -> Any:
        """What the HTTP API answers."""
        async with self.session.get(f"{self.url}/api/v1/{path}", params=parameters) as answer:
            answer.raise_for_status()
            return (await answer.json())["data"]

    async def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """An instant query's values by labels."""
        data = await self.get("query", query=expression)
        return {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in data["result"]}

    async def query_one(self, expression: str) -> float | None:
        """The value of a query with one result; None without any."""
        values = list((await self.query(expression)).values())
        assert len(values) < 2, values
        return values[0] if values else None

    async def until(self, expression: str, wanted: float, seconds: float = 120) -> None:
        """Ask until a query gives this number."""
        async with asyncio.timeout(seconds):
            while True:
                if await self.query_one(expression) == wanted:
                    return
                await asyncio.sleep(_ASK_EVERY_SECONDS)


@asynccontextmanager
async def running_prometheus(folder: Path, admin_url: str) -> AsyncIterator[Prometheus]:
    """Scrapes one gateway, and has our rules loaded. Ended by its own process id."""
    program = require_tool("prometheus")
    address = f"127.0.0.1:{free_port()}"
    config = folder / "prometheus.yaml"
    target = admin_url.removeprefix("http://")
    settings = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "400ms", "evaluation_interval": "500ms"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [{"job_name": "twilio-gateway", "static_configs": [{"targets": [target]}]}],
    }
    config.write_text(yaml.safe_dump(settings))
    process = await asyncio.create_subprocess_exec(
        program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}", "--log.level=error",
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as session:
            prometheus = Prometheus(f"http://{address}", session)
            await _until_ready(prometheus, process)
            yield prometheus
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 120)


async def _until_ready(prometheus: Prometheus, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(120):
        while True:
            if process.returncode is not None:
                raise RuntimeError("prometheus did not start; it has said why")
            try:
                async with prometheus.session.get(f"{prometheus.url}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(_ASK_EVERY_SECONDS)
