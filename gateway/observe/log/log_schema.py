"""Log lines by the names that collectors expect (`log.schema`), and back. Pure."""

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.http.user_agent import split_sdk
from gateway.observe.log.log_fields import FIELDS, LABELS, NAMESPACE, TRACE

ECS_VERSION: Final = "8.11.0"
_TOP_LEVEL: Final = frozenset({"@timestamp", "log.level", "message", "ecs.version"})
_ECS: Final = {name: tuple(field.ecs_path.split(".")) for name, field in FIELDS.items()}
_GCP: Final = {
    name: (LABELS, name)
    if field.gcp_path.startswith(LABELS)
    else (field.gcp_path,)
    if field.gcp_path.startswith("logging.")
    else tuple(field.gcp_path.split("."))
    for name, field in FIELDS.items()
}
_SIZES: Final = frozenset({"bytes_in", "bytes_out"})
_REQUESTS: Final = frozenset({"exchange", "webhook"})
_PROJECT: Final = os.environ.get("GOOGLE_CLOUD_PROJECT", "")

Values = dict[str, Any]
Rename = Callable[[Values], Values]
"""Takes a finished plain line, `level` and `timestamp` included."""


def to_ecs(event: Values) -> Values:
    """A line of the Elastic Common Schema, nested as ecs-logging has it."""
    name, sdk = event.pop("event", ""), event.pop("sdk", "")
    line: Values = {
        "@timestamp": event.pop("timestamp"),
        "log.level": event.pop("level"),
        "message": name,
        "ecs.version": ECS_VERSION,
        "service": {"name": "twilio-gateway"},
        "event": {"kind": "event", "dataset": f"{NAMESPACE}.{name if name in _REQUESTS else 'log'}"},
    }
    if name in _REQUESTS:
        status = event["status"]
        unknown = not status or event.get("outcome") == "unknown"
        refused = bool(event.get("gateway_error")) and status < 500
        line["event"] |= {
            "category": ["web"],
            "type": ["access", "denied" if refused else "allowed"],
            "outcome": "unknown" if unknown else "failure" if status >= 400 else "success",
        }
    if sdk:
        product, version = split_sdk(sdk)
        line["user_agent"] = {"name": product, "version": version} if version else {"name": product}
    for key, value in event.items():
        if key == "seconds":
            value = round(value * 1e9)
        elif key == "status" and not value:
            continue
        _put(line, _ECS.get(key) or (NAMESPACE, key), value)
    return line


def to_gcp(event: Values) -> Values:
    """A line with the fields that Google Cloud Logging moves into its LogEntry."""
    name = event.pop("event", "")
    line: Values = {
        "severity": str(event.pop("level")).upper(),
        "time": event.pop("timestamp"),
        "message": name,
    }
    for key, value in event.items():
        path = _GCP.get(key) or (key,)
        if key == "seconds":
            path, value = (path, f"{value:.6f}s") if name in _REQUESTS else ((key,), value)
        elif key in _SIZES:
            value = str(value)
        elif key == "trace_id" and _PROJECT:
            value = f"projects/{_PROJECT}/traces/{value}"
        elif key == "status" and not value:
            continue
        _put(line, path, value)
    return line


SCHEMAS: Final[Mapping[str, Rename]] = {"ecs": to_ecs, "gcp": to_gcp}
"""What is not `plain`."""


def to_plain(line: Values) -> Values:
    """A line of any schema by the plain names; a line of another program stays as it is."""
    if "@timestamp" in line and "message" in line:
        plain = {name: value for name, path in _ECS.items() if (value := _get(line, path)) is not None}
        own = line.get(NAMESPACE)
        plain = {**(own if isinstance(own, dict) else {}), **plain}
        if (agent := line.get("user_agent")) is not None:
            version = agent.get("version", "")
            plain["sdk"] = f"{agent['name']}/{version}" if version else agent["name"]
        if "seconds" in plain:
            plain["seconds"] = plain["seconds"] / 1e9
    elif "severity" in line and "time" in line:
        plain = {name: value for name, path in _GCP.items() if (value := _get(line, path)) is not None}
        moved = {
            "severity",
            "time",
            "message",
            "httpRequest",
            LABELS,
            *(p[0] for p in _GCP.values() if len(p) == 1),
        }
        plain |= {name: value for name, value in line.items() if name not in moved}
        plain["level"] = str(plain["level"]).lower()
        latency = plain.get("seconds", line.get("seconds"))
        if latency is not None:
            plain["seconds"] = float(str(latency).removesuffix("s"))
        plain |= {name: int(plain[name]) for name in _SIZES if name in plain}
        if TRACE in line:
            plain["trace_id"] = str(line[TRACE]).rpartition("/")[2]
    else:
        return line
    if plain.get("event") in _REQUESTS:
        plain.setdefault("status", 0)
    return plain


def _put(line: Values, path: tuple[str, ...], value: Any) -> None:
    for part in path[:-1]:
        line = line.setdefault(part, {})
    line[path[-1]] = value


def _get(line: Values, path: tuple[str, ...]) -> Any:
    whole = ".".join(path)
    if whole in _TOP_LEVEL:
        return line.get(whole)
    found: Any = line
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return found
