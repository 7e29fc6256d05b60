"""What is known of the configuration in force, and since when each key is known."""

from gateway.observe.metrics.configuration_info import ConfigurationRecord, KeyName

FIRST, SECOND = KeyName("main", "SK0011…eeff"), KeyName("main", "SK2222…2222")


def test_a_key_is_as_old_as_this_process_has_known_it() -> None:
    """A reload that keeps it changes nothing; one that drops it forgets it."""
    now = [1000.0]
    record = ConfigurationRecord(lambda: now[0])
    record.apply("one", [FIRST])
    now[0] = 1060.0
    record.apply("two", [SECOND, FIRST])
    now[0] = 1090.0
    assert record.key_ages() == {FIRST: 90.0, SECOND: 30.0}
    record.apply("three", [SECOND])
    record.apply("four", [SECOND, FIRST])
    assert record.key_ages() == {SECOND: 30.0, FIRST: 0.0}
    now[0] = 0.0
    assert record.key_ages()[SECOND] == 0.0, "a clock that was set back makes no key younger than nothing"


def test_reloads_are_counted_and_the_last_good_one_stays_in_force() -> None:
    now = [1000.0]
    record = ConfigurationRecord(lambda: now[0])
    record.apply("one", [FIRST])
    assert record.reloads == {"success": 0, "failure": 0}
    now[0] = 2000.0
    record.record_reload(ok=False)
    assert (record.hash, record.loaded_at, record.last_reload_good) == ("one", 1000.0, False)
    record.apply("two", [FIRST])
    record.record_reload(ok=True)
    assert (record.hash, record.loaded_at, record.last_reload_good) == ("two", 2000.0, True)
    assert record.reloads == {"success": 1, "failure": 1}
