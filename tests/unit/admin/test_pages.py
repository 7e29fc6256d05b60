"""The page's files: all of them are in the wheel, and all of them are served."""

import subprocess
import sys
import zipfile
from pathlib import Path

import gateway.admin
from gateway.admin.pages import _TYPES

STATIC = Path(gateway.admin.__file__).parent / "static"
ROOT = STATIC.parents[2]


def test_the_wheel_has_every_file(tmp_path: Path) -> None:
    """Built as an installer builds it."""
    build = f"import hatchling.build; hatchling.build.build_wheel({str(tmp_path)!r})"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {f"gateway/admin/static/{path.name}" for path in STATIC.iterdir()} <= packed
    assert "gateway/admin/static/index.html" in packed


def test_every_file_has_a_type() -> None:
    """What has none would not be served."""
    assert {path.suffix for path in STATIC.iterdir()} <= set(_TYPES)
