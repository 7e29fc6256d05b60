"""Row B1: `gateway check` names each consumer whose form rules refuse more than they say."""

import pytest

from gateway.consumers.consumer import Consumer
from gateway.consumers.form_lint import WITHOUT_URL, find_refused_parameters
from gateway.consumers.form_rules import FormRules, match_prefix
from gateway.twilio.catalogue import ParameterClass
from tests.support.judging import CATALOGUE, consumer

_TO = FormRules(recipients=(match_prefix("+1"),))


def _messages(given: Consumer) -> list[str]:
    return [f"{found.message}; {found.hint}" for found in find_refused_parameters(given, CATALOGUE)]


def test_b1_a_consumer_of_calls_is_named_with_what_is_missing() -> None:
    urls, applications = _messages(consumer("calls:create", forms=_TO))
    assert urls == (
        "refuses FallbackUrl, Url on POST api /2010-04-01/Accounts/{AccountSid}/Calls: they could evade the "
        "other form rules; list the hosts of this consumer's TwiML in form.callback_hosts"
    )
    assert applications.startswith("refuses ApplicationSid, Byoc on POST api ")
    assert applications.endswith("in form.applications")


@pytest.mark.parametrize(
    ("allow", "rules", "count"),
    [
        ("calls:create", None, 0),
        ("calls:create", FormRules(), 0),
        ("calls:create", FormRules(recipients=(), callback_hosts=(), applications=frozenset()), 0),
        ("calls:create", FormRules(recipients=(), callback_hosts=()), 1),
        ("messages:send", _TO, 1),
        ("messages:read", _TO, 0),
        ("everything", _TO, 3),
        ("POST api /2010-04-01/Accounts/*/Calls/*/Siprec.json", FormRules(callback_hosts=()), 1),
        ("POST api /2010-04-01/Accounts/*/Calls/*/Siprec.json", _TO, 0),
        ("POST studio /v2/Flows", FormRules(callback_hosts=(), applications=frozenset()), 1),
        ("POST events /v1/Sinks", FormRules(callback_hosts=(), applications=frozenset()), 0),
    ],
)
def test_b1_only_what_can_be_called_is_warned_of(allow: str, rules: FormRules | None, count: int) -> None:
    assert len(_messages(consumer(allow, forms=rules))) == count


def test_b1_callbacks_without_a_url_are_callbacks() -> None:
    """No list of hosts permits them."""
    (said,) = _messages(
        consumer("POST api /2010-04-01/Accounts/*/Calls/*/Siprec.json", forms=FormRules(callback_hosts=()))
    )
    assert said.startswith("refuses ConnectorName on POST api ")
    classes = {
        its for route in CATALOGUE.routes for name, its in route.parameters.items() if name in WITHOUT_URL
    }
    assert classes == {ParameterClass.CALLBACK}
