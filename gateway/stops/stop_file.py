"""Stops on disk, so that a replica starts with those it last knew, even without the store. Blocks."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from gateway.stops.stop_table import Stop, parse_stops

_VERSION = 1


class StopFile:
    """Replaced as a whole; readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Stop]:
        """The stops; none if there is no file yet. Raises `OSError`, and `ValueError` if it is damaged."""
        try:
            content = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        if not isinstance(content, dict) or not isinstance(content.get("stops"), list):
            raise ValueError(
                f"{self.path} is no file of stops; move it away, and stop again what must not send"
            )
        return parse_stops(content["stops"])

    def write(self, stops: Mapping[str, Stop]) -> None:
        """Keep them. Raises `OSError`."""
        new = self.path.with_name(f".{self.path.name}.new")
        content = {"version": _VERSION, "stops": [stop.as_json() for stop in stops.values()]}
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(descriptor)
        new.replace(self.path)
