"""A consumer's `limits:` compiled."""

from gateway.config.consumers import Limit as LimitSettings
from gateway.config.limits import compile_limits
from gateway.policy.credentials import Account, ApiKey, Credential
from gateway.policy.limits import Per

CREDENTIAL = Credential("main", Account("AC0", (ApiKey("SK…", b"Basic abc"),)), {}, "us1", "")


def test_compiled() -> None:
    settings = [
        LimitSettings(rate="20/s"),
        LimitSettings(
            rate="5/m", burst=9, per="destination", route="messages:send", max_wait_seconds=2, weight=3,
            mode="report",
        ),
    ]  # fmt: skip
    problems: list[object] = []
    compiled = compile_limits(
        "billing", settings, CREDENTIAL, frozenset({"api"}), lambda *problem: problems.append(problem)
    )
    first, second = compiled.limits
    assert (first.name, first.per, first.unit_us, first.tolerance_us) == (
        "billing/0",
        Per.CONSUMER,
        50_000,
        10**6,
    )
    assert (second.name, second.per, second.cost_us, second.tolerance_us) == (
        "billing/1", Per.DESTINATION, 36_000_000, 108_000_000,
    )  # fmt: skip
    assert (second.max_wait_us, second.reports, second.rules is not None) == (2_000_000, True, True)
    assert (compiled.fixed, compiled.by_destination, compiled.by_route) == (None, True, True)
    assert problems == []


def test_a_bad_route_is_told_with_its_place() -> None:
    problems: list[tuple[object, ...]] = []
    compile_limits(
        "billing", [LimitSettings(rate="1/s"), LimitSettings(rate="1/s", route="nonsense")], CREDENTIAL,
        frozenset({"api"}), lambda *problem: problems.append(problem),
    )  # fmt: skip
    ((path, message, _),) = problems
    assert path == ("limits", 1, "route")
    assert "nonsense" in str(message)
