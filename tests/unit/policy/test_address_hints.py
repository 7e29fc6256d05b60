"""What a refused address probably meant: mistakes that callers make, each with its own sentence."""

import pytest

from gateway.errors import Refusal
from gateway.http.request_head import require_head
from gateway.policy.addressing import resolve_address
from tests.support.judging import HOSTS


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/Accounts/AC1/Messages.json", "/2010-04-01/Accounts/"),
        ("/v2/Services", "before the version: /verify/v2/"),
        ("/v1/Services", "before the version: /verify/v2/"),
        ("/fax/v1/Faxes", "Twilio has ended it"),
        ("/Verify/v2/Services", "Did you mean /verify/…?"),
        ("/verify.twilio.com/v2/Services", "Did you mean /verify/…?"),
        ("/lookup/v2/PhoneNumbers/1", "Did you mean /lookups/…?"),
        ("/mesaging/v1/Services", "Did you mean /messaging/…?"),
        ("/Messages.json", "/2010-04-01/Accounts/{AccountSid}/…"),
        ("/Calls", "/2010-04-01/Accounts/{AccountSid}/…"),
        ("/readyz", "admin port"),
    ],
)
def test_d9_what_is_left_out_is_named(path: str, hint: str) -> None:
    with pytest.raises(Refusal, match="unknown_address") as refusal:
        resolve_address(HOSTS, require_head("GET", path, (1, 1), ((b"Host", b"gateway.internal:8080"),)))
    assert hint in refusal.value.detail


@pytest.mark.parametrize("path", ["/x/y", "/" + "a" * 5000 + "/b", "/", "/%C3%BC/v1", "/apiary/v1"])
def test_d9_what_is_like_nothing_has_no_hint(path: str) -> None:
    with pytest.raises(Refusal, match="unknown_address") as refusal:
        resolve_address(HOSTS, require_head("GET", path, (1, 1), ((b"Host", b"x"),)))
    assert "product. Address Twilio in one of four ways" in refusal.value.detail


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/https://api.twilio.com/2010-04-01/Accounts", "the whole URL stands in the path"),
        ("/2010-04-01/Accounts//Messages.json", "a variable in it may be empty"),
        ("/verify/v2/Services//Verifications", "a variable in it may be empty"),
        ("/2010-04-01/Accounts/{AccountSid}/Messages.json", "a placeholder in braces was not filled in"),
    ],
)
def test_d9_a_path_that_was_put_together_wrongly(path: str, hint: str) -> None:
    with pytest.raises(Refusal, match="bad_target") as refusal:
        require_head("GET", path, (1, 1), ((b"Host", b"x"),))
    assert hint in refusal.value.detail
