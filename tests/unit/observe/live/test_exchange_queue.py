"""From loop to thread: in order, bounded, and what is lost is counted; the condition of the process."""

import threading

from gateway.observe.live.exchange_queue import ExchangeQueue
from gateway.observe.live.recent_exchanges import Filter
from gateway.observe.live.traffic_window import TrafficWindow
from gateway.observe.status.process_status import ProcessStatus
from tests.unit.observe.exchanges import finished


def test_what_is_put_is_taken_once_and_in_order() -> None:
    exchange_queue = ExchangeQueue()
    given = [finished() for _ in range(10)]
    for each in given:
        exchange_queue.put(each)
    assert exchange_queue.take() == given
    assert exchange_queue.take() == []


def test_the_oldest_is_dropped_and_counted() -> None:
    exchange_queue = ExchangeQueue(most=3)
    given = [finished() for _ in range(5)]
    for each in given:
        exchange_queue.put(each)
    assert exchange_queue.take() == given[2:]
    assert exchange_queue.dropped == 2


def test_two_threads_lose_nothing() -> None:
    """One puts while the other takes."""
    exchange_queue = ExchangeQueue(most=100_000)
    given = [finished() for _ in range(20_000)]
    taken: list[object] = []
    ended_at = threading.Event()

    def take() -> None:
        while not ended_at.is_set():
            taken.extend(exchange_queue.take())

    taker = threading.Thread(target=take)
    taker.start()
    for each in given:
        exchange_queue.put(each)
    ended_at.set()
    taker.join()
    taken.extend(exchange_queue.take())
    assert taken == given
    assert exchange_queue.dropped == 0


def test_a_board_makes_all_of_one_record() -> None:
    """Recent, history, tables and keys."""
    exchange_queue = ExchangeQueue()
    traffic_window = TrafficWindow(exchange_queue, lambda: 1001.5)
    exchange = finished(1001.2, key="SK0011…eeff", status=401)
    exchange.record_attempt(500.0, 500.1, 401, 20003, "", "next_key")
    exchange_queue.put(exchange)
    traffic_window.refresh()
    assert len(traffic_window.recent.find(Filter(), 10)) == 1
    assert traffic_window.tables.consumers(1001.5)["app"].errors == 1
    use = traffic_window.keys["SK0011…eeff"]
    assert (use.refused, use.last_401_at, use.first_used_at) == (1, 1001.2, 1001.2)


def test_the_condition_tells_of_reloads_and_reasons() -> None:
    """Each value as a whole, so that another thread reads no half of it."""
    moments = iter([100.0, 200.0, 300.0])
    process_status = ProcessStatus(lambda: next(moments))
    assert (process_status.started_at, process_status.loaded_at, process_status.last_reload) == (
        100.0,
        100.0,
        None,
    )
    process_status.record_reload(False, "consumers.app: unknown name")
    assert process_status.last_reload == (200.0, False, "consumers.app: unknown name")
    assert process_status.loaded_at == 100.0
    process_status.record_reload(True)
    assert process_status.loaded_at == 300.0
    before = process_status.reasons
    process_status.set_reason("vault", "secrets are 2 h old")
    process_status.set_reason("tls", "certificate ends tomorrow")
    assert dict(process_status.reasons) == {
        "vault": "secrets are 2 h old",
        "tls": "certificate ends tomorrow",
    }
    process_status.set_reason("vault", "")
    assert dict(process_status.reasons) == {"tls": "certificate ends tomorrow"}
    assert dict(before) == {}
