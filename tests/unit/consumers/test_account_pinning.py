"""Pinning to the credential's accounts, and the endpoints that are about accounts themselves."""

import pytest

from gateway.consumers.account_pinning import MY_ACCOUNT, Pinned, is_management, pin_account
from gateway.errors import Refusal
from tests.support.judging import FOREIGN, OWN, SUB, consumer, credential, grant, head

_CREDENTIAL = credential()
_A = "/2010-04-01/Accounts"


def _pin(path: str, query: str = "") -> Pinned:
    return pin_account(_CREDENTIAL, path, query)


@pytest.mark.parametrize(
    ("path", "query", "account"),
    [
        (f"{_A}/{OWN}/Messages.json", "", OWN),
        (f"{_A}/{OWN}.json", "", OWN),
        (f"{_A}/{SUB}/Messages.json", "", SUB),
        (f"{_A}/{SUB}.json", "", SUB),
        (f"/2010-04-01/accounts/{SUB}/Messages", "", SUB),
        (f"/2008-08-01/Accounts/{SUB}/Messages", "", SUB),
        ("/v2/Services/VA1", "", OWN),
        ("/v1/Alerts", f"AccountSid={SUB}", OWN),
        (f"{_A}.json", "FriendlyName=a", OWN),
        (f"{_A}/", "", OWN),
        ("/", "", OWN),
        (f"/v1/Documents/X{FOREIGN}", "", OWN),
        (f"/v1/Documents/{FOREIGN}0", "", OWN),
        ("/v1/Documents/AC12345", "", OWN),
    ],
)
def test_own_accounts(path: str, query: str, account: str) -> None:
    pinned = _pin(path, query)
    assert (pinned.account.sid, pinned.path, pinned.query) == (account, path, query)


def test_a_subaccount_has_its_own_keys() -> None:
    assert _pin(f"{_A}/{SUB}/Calls").account.keys == _CREDENTIAL.subaccounts[SUB].keys
    assert _pin(f"{_A}/{OWN}/Calls").account.keys == _CREDENTIAL.account.keys


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (f"{_A}/{FOREIGN}/Messages.json", ""),
        (f"{_A}/{FOREIGN}.json", ""),
        (f"{_A}/{FOREIGN}", ""),
        (f"{_A}/{FOREIGN.lower()}/Messages.json", ""),
        (f"{_A}/{OWN.lower()}/Messages.json", ""),
        (f"{_A}/{OWN.upper()}/Messages.json", ""),
        (f"{_A}/{OWN}x/Messages.json", ""),
        (f"{_A}/{OWN}%20/Messages.json", ""),
        (f"{_A}/{OWN}.JSON", ""),
        (f"{_A}/me/Messages.json", ""),
        (f"/2010-04-01/aCCounts/{FOREIGN}/Messages.json", ""),
        (f"/v1/accounts/{FOREIGN}", ""),
        (f"{_A}/{OWN}/Accounts/{FOREIGN}.json", ""),
        (f"{_A}/{OWN}/Messages/{FOREIGN}", ""),
        (f"{_A}/{OWN}/Messages/x-{FOREIGN}-y", ""),
        (f"{_A}/{OWN}/Messages/%20{FOREIGN}", ""),
        (f"/v1/Documents/{FOREIGN}", ""),
        (f"{_A}/{OWN}/Messages.json", f"AccountSid={FOREIGN}"),
        (f"{_A}/{OWN}/Messages.json", f"a={FOREIGN.replace('AC', 'ac')}"),
        (f"{_A}/{OWN}/Messages.json", f"AccountSid=%41{FOREIGN[1:]}"),
        (f"{_A}/{OWN}/Messages.json", f"a=%20{FOREIGN}"),
        (f"{_A}/{OWN}/Messages.json", f"{FOREIGN}"),
        (f"{_A}/{OWN}/Messages.json", f"a={OWN},{FOREIGN}"),
        (f"{_A}/{OWN}/Messages.json", f"a={FOREIGN}%41"),
    ],
)
def test_foreign_accounts_are_403_wherever_they_stand(path: str, query: str) -> None:
    with pytest.raises(Refusal, match="foreign_account") as refusal:
        _pin(path, query)
    assert FOREIGN not in str(refusal.value)


def test_all_zero_is_my_account() -> None:
    pinned = _pin(f"{_A}/{MY_ACCOUNT}/Messages.json", f"AccountSid={MY_ACCOUNT}&a=X{MY_ACCOUNT}")
    assert pinned.path == f"{_A}/{OWN}/Messages.json"
    assert pinned.query == f"AccountSid={OWN}&a=X{MY_ACCOUNT}"
    assert pinned.account.sid == OWN


@pytest.mark.parametrize(
    ("product", "path"),
    [
        ("api", _A),
        ("api", f"{_A}.json"),
        ("api", f"{_A}.csv"),
        ("api", f"{_A}/"),
        ("api", "/2010-04-01/ACCOUNTS.JSON"),
        ("api", f"{_A}.html"),
        ("api", f"{_A}%20"),
        ("api", "/2008-08-01/Accounts"),
        ("api", f"{_A}/{OWN}"),
        ("api", f"{_A}/{OWN}.json"),
        ("api", f"{_A}/{OWN}/"),
        ("api", f"{_A}.json/{OWN}"),
        ("api", f"{_A}/{OWN}/Accounts"),
        ("api", f"{_A}/{OWN}/Keys.json"),
        ("api", f"{_A}/{OWN}/keys"),
        ("api", f"{_A}/{OWN}/Keys/"),
        ("api", f"{_A}/{OWN}/Keys.html"),
        ("api", f"{_A}/{OWN}/Keys%20"),
        ("api", f"{_A}/{OWN}/%20Keys"),
        ("api", f"{_A}/{OWN}/Keys~"),
        ("api", f"{_A}/{OWN}/Keys/SK1.json"),
        ("api", f"{_A}/{OWN}/Keys.json/SK1"),
        ("api", f"{_A}/{OWN}/Keys/SK1/Unknown"),
        ("api", f"{_A}/{OWN}/SigningKeys.xml"),
        ("api", f"{_A}/{OWN}/signingkeys/SK1"),
        ("api", f"{_A}/{OWN}/AuthTokens"),
        ("verify", f"{_A}/{OWN}/Keys.json"),
        ("verify", f"{_A}.json"),
        ("accounts", "/v1/AuthTokens/Promote"),
        ("accounts", "/v1/authtokens/secondary"),
        ("accounts", "/v1/Accounts/x"),
        ("messaging", "/v9/AuthTokens/Promote"),
        ("iam", "/v1/Keys"),
        ("iam", "/v1/anything"),
        ("preview-iam", "/Organizations/OR1/Accounts"),
    ],
)
def test_management_endpoints(product: str, path: str) -> None:
    assert is_management(product, path)


@pytest.mark.parametrize(
    ("product", "path"),
    [
        ("api", f"{_A}/{OWN}/Messages.json"),
        ("api", f"{_A}/{OWN}/Keystrokes"),
        ("api", f"{_A}/{OWN}/Monkeys"),
        ("api", f"{_A}/{OWN}/Tokens.json"),
        ("api", f"{_A}/{OWN}/Accountsx/a"),
        ("api", f"{_A}/{OWN}/Messages/Keysmith"),
        ("accounts", "/v1/Credentials/PublicKeys"),
        ("accounts", "/v1/Contacts/Bulk"),
        ("sync", "/v1/Services/IS1/Documents/accounts"),
        ("sync", "/v1/Services/IS1/Maps/keys/Items/keys"),
        ("verify", "/v2/Services/VA1/AccessTokens"),
        ("oauth", "/v2/token"),
    ],
)
def test_other_endpoints(product: str, path: str) -> None:
    assert not is_management(product, path)


@pytest.mark.parametrize(
    "end",
    [
        "/.json",
        "/.csv",
        "/.xml",
        "/.JSON",
        "/.html",
        "/%20.Xml",
        "/-.hal",
        "/%20",
        "/~",
        "/",
        "/%20/~.json",
        "/-",
        "/%2B",
        "/~/",
        "/.json.json",
        "/.json.XML",
        "/.json~",
        "/.json%20",
        "/~.csv~",
        "/.mp4",
        "/%C2%B2",
    ],
)
def test_b3_a_last_segment_that_names_nothing_is_the_account_itself(end: str) -> None:
    assert is_management("api", f"{_A}/{OWN}{end}")
    assert is_management("api", f"/2008-08-01/Accounts/{OWN}{end}")


@pytest.mark.parametrize(
    "end", ["/Messages.json", "/a", "/%C3%A9", "/0", "/.a", "/.jsonx", "/.json.a", "/Messages/.json", "/x/~"]
)
def test_b3_a_segment_with_a_letter_or_a_digit_is_below_the_account(end: str) -> None:
    assert not is_management("api", f"{_A}/{OWN}{end}")


def test_b3_a_glob_does_not_grant_the_account_itself() -> None:
    given = consumer("GET api /2010-04-01/Accounts/{AccountSid}/**", "GET api /2010-04-01/Accounts/*/*")
    for end in ("/.json", "/%20", "/~"):
        with pytest.raises(Refusal, match="management_endpoint"):
            grant(given, head("GET", f"{_A}/{OWN}{end}"))
