"""The table of effects: complete, well formed, and right about the routes that matter most."""

import pytest

from gateway.twilio.catalogue.effects import CREATE, NONE, creating_routes, read_effects
from gateway.twilio.catalogue.generate import TABLE
from gateway.twilio.catalogue.route_table import parse_table

ROWS = list(read_effects())


def test_every_post_to_a_collection_is_classified_once() -> None:
    """A new route of Twilio's must be looked at: does a second POST reach a person twice?"""
    posts = [
        (row.product, row.template)
        for row in parse_table(TABLE.read_text("utf-8"))
        if row.method == "POST" and not row.template.endswith("}")
    ]
    assert sorted((row.product, row.template) for row in ROWS) == sorted(posts)


def test_each_row_says_why() -> None:
    assert {row.effect for row in ROWS} == {CREATE, NONE}
    assert all(row.why for row in ROWS)


@pytest.mark.parametrize(
    ("product", "template"),
    [
        ("api", "/2010-04-01/Accounts/{AccountSid}/Messages"),
        ("api", "/2010-04-01/Accounts/{AccountSid}/Calls"),
        ("api", "/2010-04-01/Accounts/{AccountSid}/Conferences/{ConferenceSid}/Participants"),
        ("verify", "/v2/Services/{ServiceSid}/Verifications"),
        ("studio", "/v2/Flows/{FlowSid}/Executions"),
        ("conversations", "/v1/Conversations/{ConversationSid}/Messages"),
        ("notify", "/v1/Services/{ServiceSid}/Notifications"),
        ("wireless", "/v1/Commands"),
    ],
)
def test_creates(product: str, template: str) -> None:
    assert (product, template) in creating_routes()


@pytest.mark.parametrize(
    ("product", "template"),
    [
        ("api", "/2010-04-01/Accounts/{AccountSid}/Tokens"),
        ("api", "/2010-04-01/Accounts/{AccountSid}/Messages/{Sid}"),
        ("verify", "/v2/Services/{ServiceSid}/VerificationCheck"),
        ("oauth", "/v2/token"),
        ("studio", "/v2/Flows/Validate"),
        ("lookups", "/v2/batch/query"),
    ],
)
def test_what_is_no_create(product: str, template: str) -> None:
    assert (product, template) not in creating_routes()
