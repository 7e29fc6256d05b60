"""Hosts and products: every product has one host, and the hosts of the uploads are literal."""

import pytest

from gateway.twilio.catalogue import UPLOAD_HOSTS, Catalogue
from gateway.twilio.catalogue.hosts import host_of

# The product hosts of Twilio's OpenAPI descriptions 2.6.7, with the two that SDK 9.13.0 adds.
DESCRIBED = (
    "accounts api assistants bulkexports chat content conversations events flex-api frontline-api "
    "iam insights intelligence ip-messaging knowledge lookups marketplace messaging monitor notify "
    "numbers oauth preview preview-iam pricing proxy routes serverless studio supersim sync "
    "taskrouter trunking trusthub verify video voice wireless memory webhooks "
)


def test_the_products_are_the_described_ones_and_the_uploads(catalogue: Catalogue) -> None:
    assert catalogue.products == {*DESCRIBED.split(), *UPLOAD_HOSTS}


def test_hosts_and_products_are_one_to_one(catalogue: Catalogue) -> None:
    assert len({host_of(product) for product in catalogue.products}) == len(catalogue.products)
    assert {product: host for host, product in catalogue.hosts.items()} == UPLOAD_HOSTS


@pytest.mark.parametrize(
    ("product", "host"),
    [
        ("api", "api.twilio.com"),
        ("flex-api", "flex-api.twilio.com"),
        ("assistants", "assistants.twilio.com"),
        ("mcs", "mcs.us1.twilio.com"),
        ("serverless-upload", "serverless-upload.twilio.com"),
    ],
)
def test_the_host_of_a_product(catalogue: Catalogue, product: str, host: str) -> None:
    assert host_of(product) == host
    assert catalogue.hosts.get(host) == (product if product in UPLOAD_HOSTS else None)
