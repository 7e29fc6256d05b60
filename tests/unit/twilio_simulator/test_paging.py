"""Lists over several pages, in both of Twilio's styles, and their filters."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from yarl import URL

from tests.unit.twilio_simulator.conftest import MESSAGE, Caller, account_path
from twilio_simulator import Simulator


async def _make(caller: Caller, count: int) -> list[str]:
    sids = []
    for number in range(count):
        form = {**MESSAGE, "Body": str(number), "To": f"+1555000{number % 2}"}
        sids.append((await caller.post(account_path("/Messages.json"), data=form)).json["sid"])
    return sids


async def _walk_core(
    caller: Caller, path: str, link: str = "next_page_uri"
) -> AsyncIterator[dict[str, object]]:
    following: str | None = path
    while following:
        page = (await caller.get(following)).json
        yield page
        following = page[link]


@pytest.mark.parametrize(("size", "pages"), [(1, 7), (3, 3), (7, 1), (50, 1)])
async def test_core_pages_hold_everything_once_newest_first(caller: Caller, size: int, pages: int) -> None:
    made = await _make(caller, 7)
    walked = [page async for page in _walk_core(caller, account_path(f"/Messages.json?PageSize={size}"))]
    seen = [item["sid"] for page in walked for item in page["messages"]]  # type: ignore[attr-defined]
    assert seen == made[::-1]
    assert [page["page"] for page in walked] == list(range(pages))
    assert all(str(page["uri"]).startswith(account_path("/Messages.json?")) for page in walked)
    assert [page["start"] for page in walked] == [number * size for number in range(pages)]
    assert walked[-1]["end"] == 6

    back = [page async for page in _walk_core(caller, str(walked[-1]["uri"]), "previous_page_uri")]
    assert [page["messages"] for page in back] == [page["messages"] for page in reversed(walked)]


async def test_pages_do_not_shift_when_something_is_created(caller: Caller) -> None:
    made = await _make(caller, 4)
    first = (await caller.get(account_path("/Messages.json?PageSize=2"))).json
    await _make(caller, 3)
    second = (await caller.get(first["next_page_uri"])).json
    assert [item["sid"] for item in second["messages"]] == made[1::-1]


async def test_page_number_alone_is_an_offset(caller: Caller) -> None:
    made = await _make(caller, 5)
    page = (await caller.get(account_path("/Messages.json?PageSize=2&Page=1"))).json
    assert [item["sid"] for item in page["messages"]] == [made[2], made[1]]


async def test_filters_go_along_with_the_pages(caller: Caller) -> None:
    made = await _make(caller, 6)
    path = account_path("/Messages.json?To=%2B15550001&PageSize=2")
    walked = [page async for page in _walk_core(caller, path)]
    seen = [item["sid"] for page in walked for item in page["messages"]]  # type: ignore[attr-defined]
    assert seen == made[5::-2]
    assert "To=%2B15550001" in str(walked[0]["next_page_uri"])


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("DateSent=2023-11-14", 2),
        ("DateSent=2023-11-13", 0),
        ("DateSent%3C=2023-11-14", 2),
        ("DateSent<=2023-11-13", 0),
        ("DateSent%3E=2023-11-14", 2),
        ("DateSent%3E=2023-11-15", 0),
        ("From=%2B15553334444", 2),
        ("From=nobody", 0),
    ],
)
async def test_filters(caller: Caller, query: str, count: int) -> None:
    await _make(caller, 2)
    url = URL(caller.base_url + account_path(f"/Messages.json?{query}"), encoded=True)
    assert len((await caller.get(url.raw_path_qs)).json["messages"]) == count


async def test_product_pages_are_absolute(caller: Caller) -> None:
    host, made = "messaging.twilio.com", []
    for number in range(5):
        reply = await caller.post("/v1/Services", host=host, data={"FriendlyName": f"s{number}"})
        made.append(reply.json["sid"])
        assert reply.json["url"] == f"https://{host}/v1/Services/{made[-1]}"
        assert reply.json["links"]["messages"] == f"https://{host}/v1/Services/{made[-1]}/Messages"
    seen, url = [], f"https://{host}/v1/Services?PageSize=2"
    following: str | None = url
    while following:
        page = (await caller.get(URL(following).raw_path_qs, host=host)).json
        meta = page["meta"]
        seen += [item["sid"] for item in page[meta["key"]]]
        assert meta["first_page_url"] == f"{url}&Page=0"
        following = meta["next_page_url"]
        assert following is None or following.startswith(f"{url}&Page={meta['page'] + 1}&PageToken=PA")
    assert seen == made[::-1]
    assert meta["previous_page_url"].startswith(f"{url}&Page=1&PageToken=PB")


async def test_regional_host_stays_in_the_links(caller: Caller) -> None:
    host = "messaging.dublin.ie1.twilio.com"
    reply = await caller.get("/v1/Services", host=host)
    assert reply.json["meta"]["url"].startswith(f"https://{host}/v1/Services?")


@pytest.mark.parametrize("query", ["PageSize=x", "Page=-1", "PageToken=PAzz", "PageToken=P"])
async def test_nonsense_is_400(caller: Caller, query: str) -> None:
    assert (await caller.get(account_path(f"/Messages.json?{query}"))).json["code"] == 20001


async def test_page_size_has_bounds(simulator: Simulator, caller: Caller) -> None:
    sizes = [
        (await caller.get(account_path(f"/Messages.json{query}"))).json["page_size"]
        for query in ("", "?PageSize=5000", "?PageSize=0")
    ]
    assert sizes == [50, 1000, 1]


async def test_oldest_records_are_forgotten_but_stay_counted() -> None:
    simulator = Simulator(keep_records=3)
    for number in range(5):
        simulator.store.add("messages", "AC", f"SM{number}", 0.0, {})
    assert [record.sid for record in simulator.store.newest_first("messages", "AC")] == ["SM4", "SM3", "SM2"]
    assert simulator.store.created["messages"] == 5


async def test_a_recipient_is_found_among_those_that_are_kept() -> None:
    """Without going through all of them; forgotten and removed ones are not."""
    store = Simulator(keep_records=4).store
    for number in range(6):
        store.add("messages", "AC", f"SM{number}", 0.0, {"to": f"+{number % 2}"})
    assert [record.sid for record in store.newest_first("messages", "AC", "+1")] == ["SM5", "SM3"]
    store.remove("messages", "AC", "SM3")
    assert [record.sid for record in store.newest_first("messages", "AC", "+1")] == ["SM5"]
    assert store.newest_first("messages", "AC", "+7") == []
    assert store.newest_first("messages", "AC2", "+1") == []
