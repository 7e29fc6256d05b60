"""What a caller probably meant whose address names no product of Twilio's. Pure; no query is looked at."""

from difflib import get_close_matches
from typing import Final

_FORMER_PRODUCTS: Final = {
    "authy": "use /verify/… instead",
    "autopilot": "Twilio has ended it",
    "fax": "Twilio has ended it",
    "flex": "use /flex-api/… instead",
    "flex_api": "use /flex-api/… instead",
    "ip_messaging": "use /conversations/… instead",
    "preview_iam": "use /preview-iam/… instead",
    "understand": "Twilio has ended it",
}
"""Names that Twilio's products once had, or that its SDKs have for them."""

_NO_PRODUCT: Final = " A product belongs before the version: /verify/v2/…, /messaging/v1/…"
_VERSIONS: Final = {
    "Accounts": " The version belongs before it: /2010-04-01/Accounts/…",
    **dict.fromkeys(("v1", "v2", "v3"), _NO_PRODUCT),
}
"""What is often left out before these."""

_OF_2010: Final = frozenset(
    {"AvailablePhoneNumbers", "Calls", "Conferences", "IncomingPhoneNumbers", "Messages", "Recordings", "SMS"}
)
_ADMIN: Final = frozenset({"health", "healthz", "livez", "metrics", "readyz"})
_DOMAIN: Final = ".twilio.com"


def hint_at_product(name: str, products: frozenset[str]) -> str:
    """A sentence about the first segment of a path, or label of a host, that is no product; or ''."""
    former = _FORMER_PRODUCTS.get(name)
    if former is not None:
        return f" {name}: {former}."
    if name in _VERSIONS:
        return _VERSIONS[name]
    if name.partition(".")[0] in _OF_2010:
        return " It belongs below an account: /2010-04-01/Accounts/{AccountSid}/…"
    if name in _ADMIN:
        return " The gateway's own pages are on its admin port."
    product = name.lower().removesuffix(_DOMAIN).partition(".")[0]
    if product in products:
        return f" Did you mean /{product}/…?"
    plain = [each for each in products if "." not in each]
    close = get_close_matches(product, plain, 1, 0.8) if len(product) <= 32 else []
    return f" Did you mean /{close[0]}/…?" if close else ""
