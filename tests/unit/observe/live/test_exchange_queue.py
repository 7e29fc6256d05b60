"""From loop to thread: in order, bounded, and what is lost is counted; the condition of the process."""

import threading

from gateway.observe.live.exchange_queue import ExchangeQueue
from gateway.observe.live.recent_exchanges import Filter
from gateway.observe.live.traffic_window import TrafficWindow
from gateway.observe.status.process_status import ProcessStatus
from tests.unit.observe.exchanges import finished


def test_what_is_put_is_taken_once_and_in_order() -> None:
    feed = ExchangeQueue()
    given = [finished() for _ in range(10)]
    for each in given:
        feed.put(each)
    assert feed.take() == given
    assert feed.take() == []


def test_the_oldest_is_dropped_and_counted() -> None:
    feed = ExchangeQueue(most=3)
    given = [finished() for _ in range(5)]
    for each in given:
        feed.put(each)
    assert feed.take() == given[2:]
    assert feed.dropped == 2


def test_two_threads_lose_nothing() -> None:
    """One puts while the other takes."""
    feed = ExchangeQueue(most=100_000)
    given = [finished() for _ in range(20_000)]
    taken: list[object] = []
    ended = threading.Event()

    def take() -> None:
        while not ended.is_set():
            taken.extend(feed.take())

    taker = threading.Thread(target=take)
    taker.start()
    for each in given:
        feed.put(each)
    ended.set()
    taker.join()
    taken.extend(feed.take())
    assert taken == given
    assert feed.dropped == 0


def test_a_board_makes_all_of_one_record() -> None:
    """Recent, history, tables and keys."""
    feed = ExchangeQueue()
    board = TrafficWindow(feed, lambda: 1001.5)
    exchange = finished(1001.2, key="SK0011…eeff", status=401)
    exchange.note_attempt(500.0, 500.1, 401, 20003, "", "next_key")
    feed.put(exchange)
    board.refresh()
    assert len(board.recent.find(Filter(), 10)) == 1
    assert board.tables.consumers(1001.5)["app"].errors == 1
    use = board.keys["SK0011…eeff"]
    assert (use.refused, use.last_401_at, use.first_used_at) == (1, 1001.2, 1001.2)


def test_the_condition_tells_of_reloads_and_reasons() -> None:
    """Each value as a whole, so that another thread reads no half of it."""
    moments = iter([100.0, 200.0, 300.0])
    condition = ProcessStatus(lambda: next(moments))
    assert (condition.started_at, condition.loaded_at, condition.last_reload) == (100.0, 100.0, None)
    condition.note_reload(False, "consumers.app: unknown name")
    assert condition.last_reload == (200.0, False, "consumers.app: unknown name")
    assert condition.loaded_at == 100.0
    condition.note_reload(True)
    assert condition.loaded_at == 300.0
    before = condition.reasons
    condition.set_reason("vault", "secrets are 2 h old")
    condition.set_reason("tls", "certificate ends tomorrow")
    assert dict(condition.reasons) == {"vault": "secrets are 2 h old", "tls": "certificate ends tomorrow"}
    condition.set_reason("vault", "")
    assert dict(condition.reasons) == {"tls": "certificate ends tomorrow"}
    assert dict(before) == {}
