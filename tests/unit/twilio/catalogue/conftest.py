"""One catalogue for all of these tests: it is immutable."""

import pytest

from gateway.twilio.catalogue import Catalogue, load_catalogue


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()
