"""The `/-/` endpoints, by which a test in another process scripts the simulator and reads its counts.

They need no credentials, and requests to them are neither counted nor kept in the journal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twilio_simulator.created_resources import ResourceStore
from twilio_simulator.faults import Faults, FaultSyntaxError
from twilio_simulator.journal import Journal
from twilio_simulator.resource_values import Fields

PREFIX: Final = "/-/"
_DEFAULT_ENTRIES: Final = 50


@dataclass(frozen=True, slots=True)
class Controls:
    """The parts of a simulator that the endpoints script and read; `reset` forgets everything."""

    faults: Faults
    journal: Journal
    store: ResourceStore
    counts: Callable[[], Fields]
    reset: Callable[[], None]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MatchSettings(_Strict):
    """Which requests a rule is for."""

    method: str | None = None
    path: str | None = None
    host: str | None = None


class RuleSettings(_Strict):
    """One standing fault."""

    fault: str
    match: MatchSettings = MatchSettings()
    count: int | None = Field(default=None, ge=0)
    probability: float = Field(default=1.0, ge=0, le=1)


class FaultSettings(_Strict):
    """The body of `POST /-/faults`. What is named is replaced, what is not stays."""

    rules: list[RuleSettings] | None = None
    concurrency_limit: int | None = Field(default=None, ge=0)
    service_seconds: float = Field(default=0.0, ge=0)
    service_sigma: float = Field(default=0.0, ge=0)


def apply_settings(faults: Faults, settings: FaultSettings) -> None:
    """Apply settings. Raises FaultSyntaxError and changes nothing if a fault cannot be read."""
    named = settings.model_fields_set
    if "rules" in named:
        before, faults.rules = faults.rules, []
        try:
            for rule in settings.rules or ():
                match = rule.match.model_dump()
                faults.add(rule.fault, **match, count=rule.count, probability=rule.probability)
        except FaultSyntaxError:
            faults.rules = before
            raise
    for name in named - {"rules"}:
        setattr(faults, name, getattr(settings, name))


async def handle_control(controls: Controls, request: web.BaseRequest) -> web.Response:
    """Answer one `/-/` request."""
    action = _ACTIONS.get((request.method, request.path))
    if action is None:
        known = sorted(f"{method} {path}" for method, path in _ACTIONS)
        return _json(404, {"message": "No such control endpoint", "endpoints": known})
    body = await request.read()
    try:
        return _json(200, action(controls, request, body))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        return _json(400, {"message": "Invalid settings", "errors": problems})
    except ValueError as error:
        return _json(400, {"message": str(error)})


def _set_faults(controls: Controls, request: web.BaseRequest, body: bytes) -> Fields:
    apply_settings(controls.faults, FaultSettings.model_validate_json(body))
    return controls.faults.describe()


def _get_faults(controls: Controls, request: web.BaseRequest, body: bytes) -> Fields:
    return controls.faults.describe()


def _clear_faults(controls: Controls, request: web.BaseRequest, body: bytes) -> Fields:
    controls.faults.clear()
    return controls.faults.describe()


def _counts(controls: Controls, request: web.BaseRequest, body: bytes) -> Fields:
    return controls.counts()


def _journal(controls: Controls, request: web.BaseRequest, body: bytes) -> Fields:
    limit = int(request.query.get("limit", _DEFAULT_ENTRIES))
    latest = list(controls.journal)[-limit:] if limit > 0 else []
    return {"entries": [entry.describe() for entry in latest]}


def _duplicates(controls: Controls, request: web.BaseRequest, body: bytes) -> Fields:
    return {"duplicates": controls.store.duplicates()}


def _reset(controls: Controls, request: web.BaseRequest, body: bytes) -> Fields:
    controls.reset()
    return controls.counts()


_ACTIONS: Final[dict[tuple[str, str], Callable[[Controls, web.BaseRequest, bytes], Fields]]] = {
    ("POST", "/-/faults"): _set_faults,
    ("GET", "/-/faults"): _get_faults,
    ("DELETE", "/-/faults"): _clear_faults,
    ("GET", "/-/counts"): _counts,
    ("GET", "/-/journal"): _journal,
    ("GET", "/-/duplicates"): _duplicates,
    ("POST", "/-/reset"): _reset,
}


def _json(status: int, value: Any) -> web.Response:
    headers = {"Content-Type": "application/json", "Server": "TwilioSim"}
    return web.Response(status=status, body=orjson.dumps(value), headers=headers)
