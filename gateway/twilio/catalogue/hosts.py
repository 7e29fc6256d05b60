"""What is known of a product apart from its routes: its host, and the body an unknown route of it takes.

The tables are kept by hand, for the `twilio` package has nothing of these hosts; entries name their source.
Must know nothing of regions and edges, which `policy/addressing` adds to the hosts that are not literal.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.twilio.catalogue.route import BodyKind

UPLOAD_HOSTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Media of Conversations and Chat: raw bytes of any type.
        # https://www.twilio.com/docs/conversations/media-support-conversations
        "mcs": "mcs.us1.twilio.com",
        # Multipart, with the file in `Content`. https://www.twilio.com/docs/serverless/api/resource/asset-version
        "serverless-upload": "serverless-upload.twilio.com",
        # Multipart, with the file in `File`.
        # https://www.twilio.com/docs/phone-numbers/regulatory/api/supporting-documents
        "numbers-upload": "numbers-upload.twilio.com",
        # Multipart. No template of it is published: all of its paths are unknown routes.
        "lookups-upload": "lookups-upload.twilio.com",
    }
)
"""Product -> its one literal host, which no region or edge ever changes (docs/design.md 4.1)."""

UPLOAD_ROUTES: Final[tuple[tuple[str, str, str], ...]] = (
    # (method, product, template), from the pages above.
    ("POST", "mcs", "/v1/Services/{ServiceSid}/Media"),
    ("GET", "mcs", "/v1/Services/{ServiceSid}/Media/{Sid}"),
    ("POST", "serverless-upload", "/v1/Services/{ServiceSid}/Assets/{AssetSid}/Versions"),
    ("POST", "serverless-upload", "/v1/Services/{ServiceSid}/Functions/{FunctionSid}/Versions"),
    ("POST", "numbers-upload", "/v2/RegulatoryCompliance/SupportingDocuments"),
    # Utility bills for porting: https://www.twilio.com/docs/phone-numbers/document-apis
    ("POST", "numbers-upload", "/v1/Documents"),
)

PRODUCTS_WITHOUT_ROUTES: Final = frozenset(
    {
        # In Twilio's OpenAPI descriptions 2.6.7, and no longer in the `twilio` package.
        "assistants",
    }
)


def host_of(product: str) -> str:
    """The product's host without region or edge, e.g. `verify.twilio.com`, `mcs.us1.twilio.com`."""
    return UPLOAD_HOSTS.get(product) or f"{product}.twilio.com"


def unknown_body_kind(product: str) -> BodyKind:
    """What a route that the catalogue does not hold takes (docs/design.md 4.5)."""
    if product == "api":
        return BodyKind.FORM
    return BodyKind.ANY if product in UPLOAD_HOSTS else BodyKind.FORM_OR_JSON
