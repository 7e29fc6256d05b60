"""The argument `--config`, the same for every command that reads the configuration."""

import argparse
from pathlib import Path
from typing import Final

DEFAULT_CONFIG: Final = Path("config/gateway.yaml")


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--config` to a command, with the path that `gateway serve` has by default."""
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="PATH", help=f"default: {DEFAULT_CONFIG}"
    )
