"""The same bytes have the same answers under `python -X dev`: no library is laxer or stricter there."""

import subprocess
import sys
from pathlib import Path

CASES = Path(__file__).parent / "test_cases.py"


def test_every_case_has_the_same_value_in_development_mode() -> None:
    command = [sys.executable, "-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES)]
    run = subprocess.run(command, cwd=CASES.parents[2], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-4000:]
