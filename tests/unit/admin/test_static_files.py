"""The page's files: all of them are in the wheel, and all of them are served."""

import subprocess
import sys
import zipfile
from pathlib import Path

import gateway.admin
from gateway.admin.static_files import _TYPES

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
    files = (path.relative_to(STATIC) for path in STATIC.rglob("*") if path.is_file())
    assert {f"gateway/admin/static/{path}" for path in files} <= packed
    assert "twilio_simulator/__init__.py" in packed
    assert "gateway/admin/static/index.html" in packed


def test_every_file_has_a_type() -> None:
    """What has none would not be served."""
    assert {path.suffix for path in STATIC.rglob("*") if path.is_file()} <= set(_TYPES)
