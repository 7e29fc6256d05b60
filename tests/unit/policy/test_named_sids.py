"""Which SIDs a record names."""

import pytest

from gateway.policy.named_sids import find_addressed_sid, name_created_sid

ACCOUNT, OTHER = "AC" + "0a" * 16, "AC" + "0b" * 16
MESSAGE, SERVICE, KEY = "SM" + "1c" * 16, "IS" + "2d" * 16, "SK" + "3e" * 16
API = f"/2010-04-01/Accounts/{ACCOUNT}"


@pytest.mark.parametrize(
    ("path", "sid"),
    [
        (f"{API}/Messages.json", ""),
        (f"{API}/Messages/{MESSAGE}.json", MESSAGE),
        (f"{API}/Messages/{MESSAGE}", MESSAGE),
        (f"{API}/Messages/{MESSAGE}/Media.json", MESSAGE),
        (f"{API}.json", ACCOUNT),
        (API, ACCOUNT),
        ("/2010-04-01/Accounts.json", ""),
        (f"{API}/Keys/{KEY}.json", "SK3e3e…3e3e"),
        (f"/v1/Services/{SERVICE}/Channels", SERVICE),
        (f"/v1/Services/{SERVICE}/Channels/{MESSAGE}/Messages", MESSAGE),
        ("/v2/PhoneNumbers/+15005550006", ""),
        (f"/v1/Services/{MESSAGE}0", ""),
        (f"/v1/Services/{MESSAGE.lower()}", ""),
        (f"/v1/Services/x{MESSAGE}", ""),
    ],
)
def test_the_sid_that_a_path_addresses(path: str, sid: str) -> None:
    assert find_addressed_sid(path) == sid


def test_a_created_key_is_masked() -> None:
    assert name_created_sid(b'{"sid": "%b", "secret": "x"}' % KEY.encode()) == "SK3e3e…3e3e"
    assert name_created_sid(b'{"sid": "%b"}' % MESSAGE.encode()) == MESSAGE
