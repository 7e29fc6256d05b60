"""Names in client certificates: which are read, and the consumer of each."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import Refusal
from gateway.identity.client_certificates import PeerCertificate, find_certificate_consumer, read_certificate
from tests.support.judging import consumer

ENDS = "Jun  1 12:00:00 2030 GMT"
BILLING, MAIL, OTHER = (replace(consumer(), name=name) for name in ("billing", "mail", "other"))
INDEX = {"dns:billing.internal": BILLING, "uri:spiffe://a/b": BILLING, "cn:mail": MAIL, "cn:": OTHER}


def shown(*sans: tuple[str, str], subject: tuple[tuple[tuple[str, str], ...], ...] = ()) -> dict[str, Any]:
    """A certificate as `getpeercert` gives it."""
    return {"subject": subject, "subjectAltName": sans, "notAfter": ENDS, "version": 3}


def common(*names: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """A subject with these common names."""
    return ((("organizationName", "x"),), *((("commonName", name),) for name in names))


@pytest.mark.parametrize(
    ("certificate", "names"),
    [
        (shown(), ()),
        (shown(("DNS", "Billing.INTERNAL")), ("dns:billing.internal",)),
        (shown(("URI", "spiffe://A/b"), ("DNS", "b")), ("uri:spiffe://A/b", "dns:b")),
        (shown(("email", "a@b"), ("IP Address", "10.0.0.1"), ("othername", "<unsupported>")), ()),
        (shown(subject=common("Mail")), ("cn:Mail",)),
        (shown(subject=common("mail", "billing")), ()),
        (shown(("DNS", "*.internal")), ("dns:*.internal",)),
        ({"notAfter": ENDS}, ()),
        pytest.param(shown(("DNS", "\u212aey.internal")), ("dns:\u212aey.internal",), id="B15-kelvin-sign"),
        pytest.param(shown(("DNS", "\u0130.internal")), ("dns:\u0130.internal",), id="B15-dotted-capital-i"),
        pytest.param(shown(("DNS", "B\u00dcRO.X")), ("dns:b\u00dcro.x",), id="B15-umlaut"),
        pytest.param(shown(("URI", "spiffe://\u212a/b")), ("uri:spiffe://\u212a/b",), id="B15-uri"),
    ],
)
def test_names_and_end(certificate: dict[str, Any], names: tuple[str, ...]) -> None:
    assert read_certificate(certificate) == PeerCertificate(names, 1_906_545_600.0)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), None),
        (("dns:billing.internal",), "billing"),
        (("dns:BILLING.internal",), None),
        (("dns:x.billing.internal", "dns:internal", "cn:billing.internal"), None),
        (("uri:billing.internal", "dns:spiffe://a/b"), None),
        (("dns:a", "uri:spiffe://a/b", "dns:billing.internal"), "billing"),
        (("cn:mail", "dns:b"), "mail"),
    ],
)
def test_the_consumer_of_a_certificate(names: tuple[str, ...], expected: str | None) -> None:
    found = find_certificate_consumer(INDEX, PeerCertificate(names, 1000.0), 999.0)
    assert (None if found is None else found.name) == expected
    assert find_certificate_consumer(INDEX, PeerCertificate(names, 1000.0), 1000.0) is None


def test_a_certificate_of_two_consumers_is_refused() -> None:
    certificate = PeerCertificate(("cn:mail", "dns:billing.internal"), 1000.0)
    with pytest.raises(Refusal, match="several consumers"):
        find_certificate_consumer(INDEX, certificate, 0.0)
