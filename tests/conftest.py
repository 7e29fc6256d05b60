"""For all tests: how hypothesis looks for examples, and what the garbage collector need not look at."""

import gc
import os

from hypothesis import settings

# CI tries the same examples each time, so that a change is judged by itself; at the desk they are drawn anew.
# No deadline for an example: machines are shared, and no time is asserted in a test.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("desk", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "desk")

# Ten thousand tests are collected, and the sources parsed: seconds go to collections that find nothing.
gc.disable()


def pytest_collection_finish() -> None:
    """Ten thousand collected tests stay to the end: a collection that walks them each time takes 0.2 s.

    Tests of leaks collect often; what they look for is made later, and is found as before.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
