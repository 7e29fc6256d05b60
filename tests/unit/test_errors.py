"""The table of slugs: complete, documented, and of one shape with Twilio's."""

import re
from pathlib import Path

import pytest

from gateway.errors import KINDS, FailurePhase, GatewayError, Refusal, UpstreamFailure
from gateway.twilio.error_body import REASONS

_DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"


def _row(slug: str) -> str:
    kind = KINDS[slug]
    return f'| <a id="{slug}"></a>`{slug}` | {kind.status} | {kind.code} | {kind.meaning} |'


def test_the_document_lists_every_slug_as_it_is() -> None:
    documented = [line for line in _DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| <a")]
    assert documented == [_row(slug) for slug in KINDS], "write these rows into docs/errors.md"


@pytest.mark.parametrize("slug", KINDS)
def test_every_slug(slug: str) -> None:
    kind = KINDS[slug]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", slug)
    assert kind.status in REASONS
    assert 400 <= kind.status < 600
    assert 20000 <= kind.code < 21000  # Twilio's range of general errors
    assert "|" not in kind.meaning
    error = GatewayError(slug, "what to do")
    assert (error.status, error.code, error.closes) == (kind.status, kind.code, False)
    assert str(error) == f"{slug}: what to do"


@pytest.mark.sources
@pytest.mark.parametrize("source", sorted((Path(__file__).parents[2] / "gateway").rglob("*.py")), ids=str)
def test_no_slug_is_used_that_is_not_listed(source: Path) -> None:
    used = re.findall(r"\b(?:Refusal|UpstreamFailure|GatewayError)\(\s*\"(\w+)\"", source.read_text("utf-8"))
    assert set(used) <= KINDS.keys()


def test_an_unknown_slug_is_a_fault() -> None:
    with pytest.raises(KeyError):
        GatewayError("no_such", "")


@pytest.mark.parametrize(
    ("phase", "replayable", "unknown"),
    [
        (FailurePhase.CONNECT, False, False),
        (FailurePhase.CONNECT, True, False),
        (FailurePhase.SENT, False, True),
        (FailurePhase.SENT, True, False),
        (FailurePhase.RESPONSE, False, True),
        (FailurePhase.RESPONSE, True, False),
    ],
)
def test_an_outcome_is_unknown_once_bytes_were_sent_that_must_not_be_sent_twice(
    phase: FailurePhase, replayable: bool, unknown: bool
) -> None:
    failure = UpstreamFailure("upstream_lost", phase, "")
    assert not failure.unknown
    assert failure.with_outcome(replayable=replayable) is failure
    assert failure.unknown == unknown


def test_a_refusal_carries_fields_and_says_whether_it_closes() -> None:
    refusal = Refusal("method_not_allowed", "", closes=True, headers=(("Allow", "GET"),))
    assert (refusal.closes, refusal.headers) == (True, (("Allow", "GET"),))
    assert (Refusal("bad_target", "").closes, Refusal("bad_target", "").headers) == (False, ())
