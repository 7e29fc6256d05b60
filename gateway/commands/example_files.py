"""Where the example configurations are: in a checkout's `config/`, else in the installed package."""

from pathlib import Path

import gateway

_PACKAGE = Path(gateway.__file__).parent


def example_file(name: str) -> Path:
    """The path of `gateway.yaml`, `quickstart.yaml` or `traffic.yaml`. Raises `FileNotFoundError`."""
    for folder in (_PACKAGE.parent / "config", _PACKAGE / "examples"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{name} is neither in a checkout nor in the installed package")
