"""Log lines for people at a terminal: the time, the caller and its request, the outcome, then the rest.

Shows a selection of the JSON line. Characters that are not printable are replaced, so that no value can
control the terminal.
"""

from datetime import datetime
from typing import Any, Final

_RESET: Final = "\x1b[0m"
_DIM, _BOLD, _RED, _GREEN, _YELLOW, _CYAN = (f"\x1b[{code}m" for code in (2, 1, 31, 32, 33, 36))
_LEVELS: Final = {
    "debug": ("debug", _DIM),
    "info": ("info ", _DIM),
    "warning": ("WARN ", _YELLOW),
    "error": ("ERROR", _BOLD + _RED),
}
_STATUSES: Final = {2: _GREEN, 3: _CYAN, 4: _YELLOW, 5: _RED}
_ACCOUNT: Final = "/2010-04-01/Accounts/{AccountSid}"  # nearly every line would begin with it
_SHOWN_WAIT_SECONDS: Final = 0.001


class ConsoleLines:
    """Renders an event of structlog's: an exchange in columns, everything else as text and `name=value`."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, _: Any, level: str, event: Any) -> bytes:
        """The line, without its end."""
        word, colour = _LEVELS.get(level, (level, ""))
        now = datetime.now().strftime("%H:%M:%S.%f")[:-3]
        head = f"{self._paint(now, _DIM)} {self._paint(word, colour)} "
        name = event.pop("event", "")
        body = self._exchange(level, event) if name == "exchange" else self._event(str(name), event)
        return (head + body.rstrip()).encode("utf-8", "replace")

    def _event(self, name: str, values: dict[str, Any]) -> str:
        pairs = (f"{self._paint(key + '=', _DIM)}{_clean(value)}" for key, value in values.items())
        return "  ".join((self._paint(_clean(name), _BOLD), *pairs))

    def _exchange(self, level: str, values: dict[str, Any]) -> str:
        status = int(values["status"])
        route = str(values["route"]).replace(_ACCOUNT, "…", 1)
        target = _clean(f"{values['product']} {route}".strip() or "-")
        columns = (
            self._paint(f"{_clean(values['consumer']) or '-':<12}", _BOLD),
            f"{_clean(values['method']) or '-':<6} {target:<42}",
            self._paint(f"{status or '---':>3}", _STATUSES.get(status // 100, _DIM)),
            f"{_duration(values['seconds']):>8}",
            "  ".join(self._remarks(level, values)),
        )
        return " ".join(columns)

    def _remarks(self, level: str, values: dict[str, Any]) -> list[str]:
        """Whatever is unusual about the exchange, in words."""
        remarks = []
        if slug := values.get("gateway_error"):
            remarks.append(self._paint(_clean(slug), _BOLD))
        if code := values.get("twilio_code"):
            remarks.append(self._paint(f"Twilio {code}", _BOLD))
        if values.get("outcome") == "unknown":
            remarks.append(self._paint("outcome unknown", _BOLD + _RED))
        if ending := values.get("ending"):
            remarks.append(_clean(ending).replace("_", " "))
        if would := values.get("would_refuse"):
            remarks.append(f"would refuse: {_clean(would)}")
        if values["attempts"] > 1:
            remarks.append(f"{values['attempts']} attempts")
        if values["queue_seconds"] >= _SHOWN_WAIT_SECONDS:
            remarks.append(f"waited {_duration(values['queue_seconds'])}")
        if level != "info":
            remarks.append(self._paint(_clean(values["request_id"]), _DIM))
        return remarks

    def _paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_RESET}" if self._colours and colour else text


def _clean(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)


def _duration(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
