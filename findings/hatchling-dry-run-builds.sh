#!/bin/sh
# pip 25.3, build 1.3.0, hatchling 1.33.0, Python 3.11 and newer.
#
# Guess: `pip install --dry-run .` of a project with static metadata asks the backend for metadata only (PEP 517's
# prepare_metadata_for_build_wheel, which hatchling has), so that a build hook that compiles does not run; it
# runs once for `pip wheel`, after "Preparing metadata" is done.
#
# Seen: hatchling hides that function from pip (it looks for the variable PIP_BUILD_TRACKER) and shows it to others.
# So pip builds the whole wheel to read its metadata: the hook runs for --dry-run too, and a compiler's error
# is reported under "Preparing metadata". `pip wheel` then takes the wheel that is there: the hook runs once, not twice.
# Without the variable the same function gives metadata, and the hook does not run.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pip==25.3 hatchling==1.33.0 pyproject-hooks==1.2.0 2>/dev/null
mkdir -p project/thing && cd project && touch thing/__init__.py
cat > pyproject.toml <<'TOML'
[build-system]
requires = ["hatchling==1.33.0"]
build-backend = "hatchling.build"
[project]
name = "thing"
version = "1.0"
[tool.hatch.build.targets.wheel.hooks.custom]
TOML
cat > hatch_build.py <<'PY'
import os
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        with open(os.environ["RUNS"], "a") as runs:
            runs.write("run\n")
PY
export RUNS="$folder/runs"
count() { [ -f "$RUNS" ] && wc -l < "$RUNS" | tr -d ' ' || echo 0; rm -f "$RUNS"; }
../venv/bin/pip install -q --disable-pip-version-check --dry-run --no-deps --no-build-isolation . > /dev/null 2>&1
echo "pip install --dry-run: hook runs $(count)" | tee "$folder/seen"
../venv/bin/pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w "$folder/out" . 2>/dev/null
echo "pip wheel: hook runs $(count)" | tee -a "$folder/seen"
../venv/bin/python - <<'PY'
import os, sys, tempfile
from pyproject_hooks import BuildBackendHookCaller
caller = BuildBackendHookCaller(".", "hatchling.build", python_executable=sys.executable)
caller.prepare_metadata_for_build_wheel(tempfile.mkdtemp(), _allow_fallback=False)
PY
echo "prepare_metadata_for_build_wheel without pip: hook runs $(count)" | tee -a "$folder/seen"
cat > "$folder/expected" <<'TXT'
pip install --dry-run: hook runs 1
pip wheel: hook runs 1
prepare_metadata_for_build_wheel without pip: hook runs 0
TXT
diff "$folder/expected" "$folder/seen"
