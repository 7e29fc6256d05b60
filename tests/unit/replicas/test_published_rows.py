"""What is published is bounded, whatever there is to say."""

import json

from gateway.observe.live.recent_exchanges import Numbered
from gateway.replicas.published_rows import (
    MOST_ANSWER_BYTES,
    MOST_ROW_BYTES,
    MOST_TABLE_BYTES,
    MOST_TABLE_ROWS,
    write_answer,
    write_row,
    write_tables,
)
from gateway.replicas.replica_listing import Listing, describe_gone, read_replicas
from tests.unit.observe.exchanges import finished


def test_a_row_names_its_replica_and_has_a_size() -> None:
    row = json.loads(write_row("a:1", Numbered(7, finished(request_id="one"))))
    assert (row["replica"], row["seq"], row["request_id"]) == ("a:1", 7, "one")
    assert write_row("a:1", Numbered(7, finished(request_id="x" * MOST_ROW_BYTES))) == b""


def test_tables_lose_the_rows_with_the_fewest_requests() -> None:
    rows = [{"name": str(number), "requests": number, "pad": "x" * 2000} for number in range(1000)]
    text = write_tables({"consumers": rows})
    found = json.loads(text)["consumers"]
    assert len(text) <= MOST_TABLE_BYTES
    assert 1 < len(found) <= MOST_TABLE_ROWS
    assert found[0]["requests"] == 999
    assert write_tables({"consumers": [{"pad": "x" * MOST_TABLE_BYTES}]}) == b""


def test_an_answer_says_whether_it_is_all() -> None:
    assert json.loads(write_answer("a", [])) == {"replica": "a", "all": True, "exchanges": []}
    text = write_answer("a", [{"pad": "x" * 1000}] * 2000)
    assert len(text) < MOST_ANSWER_BYTES + 100
    assert json.loads(text)["all"] is False


def test_replicas_are_live_vanished_or_stopped() -> None:
    seen = [b"a", b"100", b"b", b"90", b"c", b"90", b"d", b"100"]
    about = [b"a", b'{"version": "1", "later": 2}', b"c", b'{"stopped": true}', b"d", b"no json"]
    replicas = read_replicas(seen, about, 101.0)
    assert [each.state for each in replicas] == ["live", "vanished", "stopped", "live"]
    listing = Listing("a", True, "", replicas)
    assert (listing.live, listing.gone) == (["d"], ["b", "c"])
    assert describe_gone(listing, 101.0) == ["b vanished: last seen 11 s ago"]
