"""For all tests: how hypothesis looks for examples."""

import os

from hypothesis import settings

# CI tries the same examples each time, so that a change is judged by itself; at the desk they are drawn anew.
settings.register_profile("ci", derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")
