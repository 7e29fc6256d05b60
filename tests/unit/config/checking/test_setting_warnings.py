"""D3: what is valid and without effect, or exposes keys, has a warning each."""

from collections import Counter
from pathlib import Path

import pytest

from gateway.app.configuration import ConfigurationSource, make_configuration
from gateway.config.checking.form_values import find_repeats
from gateway.config.lint import find_lint
from gateway.config.loading.resolve import load_resolved
from gateway.config.problems import ConfigError
from gateway.config.schema.consumer_settings import FormSettings
from gateway.secret_stores.secret_cache import SecretCache
from tests.unit.config.conftest import ENVIRON, GOOD, Write, cases

READ_ONLY = GOOD.replace("[everything]", "[messages:read]")
BOUND = "callers.buffered_bytes:"
MESSAGES = "/2010-04-01/Accounts/{AccountSid}/Messages"

WARNED = cases(
    ("route_unknown", "    limits: [{rate: 1/s, route: GET api /2010-04-01/Nothing}]", "limits.0: the li"),
    ("route_not_allowed", "    limits: [{rate: 1/s, route: POST verify /v2/Services}]", "limits.0: the li"),
    ("destination_read", "    limits: [{rate: 1/s, per: destination}]", "limits.0: the limit counts nothing"),
    ("form_read", "    form: {to: ['+1']}", "form: form rules without effect: this consumer may only read"),
    ("country", "    form: {to: [UK]}", "form.to.0: can never match: no country has this code; did you m"),
    ("no_country", "    form: {to: [XX]}", "form.to.0: can never match: no country has this code; write"),
    ("spaces", "    form: {from: ['+1 500 555 0006']}", "form.from.0: can never match: not a number"),
    ("double_zero", "    form: {from: ['0015005550006']}", "form.from.0: can never match: not a number"),
    ("end_space", "    form: {from: ['ACME ']}", "form.from.0: can never match: it has a space at an end"),
    ("upper_sid", f"    form: {{messaging_services: [MG{'AB' * 16}]}}", "form.messaging_services.0: can nev"),
    ("listen", "listen: 0.0.0.0:8080", "listen: other machines can reach this port, and callers' keys cross"),
    ("listen_v6", "listen: '[::]:8080'", "listen: other machines can reach this port, and callers' keys"),
    ("connect_to", "upstream: {connect_to: 'http://10.1.2.3:8080'}", "upstream.connect_to: Twilio's API key"),
    ("looser", "    limits: [{rate: 9/s, burst: 9}, {rate: 1/s, burst: 1}]", "limits.0: the limit refuses"),
    ("same_twice", "    limits: [{rate: 9/s}, {rate: 9/s}]", "limits.1: the limit refuses nothing: limit"),
    ("prefix_in_memory", "store_prefix: mine", "store_prefix: without effect: there is no Redis"),
    ("refuse_in_memory", "on_store_failure: refuse", "on_store_failure: without effect: there is no Redis"),
    ("usage_twice", "store: redis://h\nkey_usage_file: k", "key_usage_file: without effect: the use of keys"),
    ("group", "groups: {nobody: {mode: report}}", "groups.nobody: no consumer is in it; remove it"),
    ("sender_list", "    form: {from: ['+1500*']}", "form.from.0: can never match: a sender is compared as"),
    ("sender_channel", "    form: {from: ['WhatsApp:+15005550006']}", "form.from.0: can never match: a chan"),
    ("sender_letters", "    form: {from: ['+1500555000\u0666']}", "form.from.0: can never match: no sender"),
    ("sender_service", f"    form: {{from: [MG{'ab' * 16}]}}", "form.from.0: can never match: this is a mes"),
    ("upper_app", f"    form: {{applications: [AP{'AB' * 16}]}}", "form.applications.0: can never match: a"),
    ("prefix_twice", "    form: {to: ['+1555', '+1']}", "form.to.0: adds nothing to another value of this l"),
    ("host_wider", "    form: {callback_hosts: ['*.a.b.c', '*.b.c']}", "form.callback_hosts.0: adds nothi"),
    ("host_twice", "    form: {callback_hosts: ['*.b.test', a.b.test]}", "form.callback_hosts.1: adds nothi"),
    ("a_wait", "    limits: [{rate: 1/s, max_wait_seconds: 99}]", "limits.0.max_wait_seconds: no request wa"),
    ("by_account", "    limits: [{rate: 1/s, per: account}, {rate: 1/s}]", "limits.0: the limit refuses not"),
    ("group_twice", "    groups: [a, a]\ngroups: {a: {priority: low}}", "groups.1: a stands here twice"),
    ("no_retry", "retry: {max_attempts: 1, budget_percent: 9}", "retry.budget_percent: without effect: `max"),
    ("backoff", "retry: {initial_backoff_seconds: 9}", "retry.initial_backoff_seconds: without effect: no w"),
    ("connect", "upstream: {connect_seconds: 90}", "upstream.connect_seconds: without effect: no request la"),
    ("twilio_host", "upstream: {extra_hosts: [api.twilio.com]}", "upstream.extra_hosts.0: without effect: a"),
    ("body", "callers: {body_seconds: 300}", "callers.body_seconds: without effect but for uploads: a bod"),
    ("per_address", "callers: {connections_per_address: 20000}", "callers.connections_per_address: without"),
    ("sampling", "log: {level: error, sample_successes: 0.1}", "log.sample_successes: without effect: `leve"),
    ("log_schema", "log: {format: console, schema: ecs}", "log.schema: without effect: it names the fields"),
    ("no_aws", "secret_stores: {aws: {region: eu-central-1}}", "secret_stores.aws: without effect: no setti"),
    ("upload_host", "upstream: {extra_hosts: [mcs.us1.twilio.com]}", "upstream.extra_hosts.0: without eff"),
)  # fmt: skip


def warnings(path: Path) -> list[str]:
    """What `gateway check` would warn of."""
    resolved = load_resolved(path, ENVIRON)
    found = (*resolved.warnings, *find_lint(resolved, make_configuration(resolved).snapshot))
    return [f"{each.key}: {each.message}; {each.hint}".removeprefix("consumers.billing.") for each in found]


@pytest.mark.parametrize(("text", "expected"), WARNED)
def test_d3_warned(write: Write, text: str, expected: str) -> None:
    found = warnings(write(f"{READ_ONLY}{text}\n"))
    assert [each for each in found if each.startswith(expected)], found


@pytest.mark.parametrize(
    "text",
    [
        f"    limits: [{{rate: 1/s, route: 'GET api {MESSAGES}/*'}}, {{rate: 1/s, route: GET api /**}}]",
        "listen: localhost:8080",
        "listen: 0.0.0.0:8080\npublic_url: https://twilio.example.com",
        "upstream: {connect_to: 'http://127.0.0.1:8080'}",
        "upstream: {connect_to: 'https://10.1.2.3:8080'}",
    ],
)
def test_d3_not_warned(write: Write, text: str) -> None:
    assert warnings(write(f"{READ_ONLY}{text}\n")) == []


_API = "api /2010-04-01/Accounts/{AccountSid}"


@pytest.mark.parametrize(
    ("allow", "text", "expected"),
    [
        ("[everything, verify]", "", "allow.1: verify adds nothing to what stands before it"),
        (f"['POST {_API}/*']", "    limits: [{rate: 1/s, per: destination}]", ""),
        (
            f"['POST {_API}/Applications.json']",
            "    limits: [{rate: 1/s, per: destination}]",
            "limits.0: the lim",
        ),
        (
            "[everything]",
            f"    limits: [{{rate: 1/s, per: destination, route: 'GET {_API}/*'}}]",
            "limits.0: the",
        ),
        ("['calls:create']", "    form: {messaging_services: [], from: [], callback_hosts: [a.test]}", ""),
        # A call that is altered has no sender, but its `Url` and `Twiml` are checked for the rule's sake.
        (f"['POST {_API}/Calls/*']", "    form: {from: ['+15005550006']}", ""),
        # Where the first has a request wait, the second refuses it.
        ("[everything]", "    limits: [{rate: 1/s, burst: 9, max_wait_seconds: 5}, {rate: 9/s}]", ""),
        (
            "[everything]",
            "    limits: [{rate: 1/s, burst: 8, max_wait_seconds: 5}, {rate: 9/s}]",
            "limits.1: the",
        ),
        # What is newer than the catalogue may name a recipient, and its recipients are counted.
        (
            "['POST messaging /v9/Notes/*']",
            "    limits: [{rate: 1/s, per: destination}]",
            "allow.0: the rule",
        ),
        (
            f"[lookups, 'POST {_API}/Queues.json']",
            "    form: {from: ['+15005550006']}",
            "form.from: without ef",
        ),
    ],
)
def test_d3_what_goes_by_what_may_be_called(write: Write, allow: str, text: str, expected: str) -> None:
    found = warnings(write(GOOD.replace("[everything]", allow) + text + "\n"))
    about = [each for each in found if each.startswith(("limits.", "form.", "allow."))]
    assert [each.startswith(expected) for each in about] == ([True] if expected else []), found


def test_d3_a_region_without_support(write: Write) -> None:
    found = warnings(write(f"{READ_ONLY}".replace("main:\n", "main:\n    region: jp1\n", 1)))
    assert [each for each in found if each.startswith("credentials.main.region: Twilio's pages")]


@pytest.mark.parametrize(
    ("name", "settings", "warned"),
    [
        ("billing", "", False),
        ("order-mails", "", True),
        ("order.mails", "", True),
        ("order_mails", "", True),
        ("order-mails", "    usernames: [ordermails]\n", False),
        ("order-mails", "    usernames: [order_mails]\n", True),
        ("order-mails", "    usernames: ['\u00fcrk']\n", True),
        ("order-mails", "    usernames: [a-b, AC00112233445566778899aabbccddeeff]\n", False),
    ],
)
def test_a_user_name_that_twilio_go_does_not_send(
    write: Write, name: str, settings: str, warned: bool
) -> None:
    text = READ_ONLY.replace("billing:", f"{name}:") + settings
    found = [each for each in warnings(write(text)) if "twilio-go" in each]
    assert bool(found) is warned
    assert not warned or "write `usernames: [ordermails]`" in found[0]


def test_d3_values_that_can_match(write: Write) -> None:
    form = (
        "    form: {to: [US, GB, '+44'], from: ['+15005550006', '12345', ACME, 'whatsapp:+15005550006'],"
        f" callback_hosts: [a.test], applications: [], messaging_services: [MG{'ab' * 16}]}}\n"
        "    limits: [{rate: 1/s, per: destination}]\n"
    )
    assert warnings(write(GOOD.replace("[everything]", "[messages:send]") + form)) == []


def test_d3_unread_secrets_and_bad_rules_are_found_in_one_run(write: Write) -> None:
    """A secret that cannot be read hides neither a rule that does not parse nor a missing exporter."""
    path = write(GOOD.replace("[everything]", "[POST api]"))
    environ = {name: value for name, value in ENVIRON.items() if name != "KEY_SECRET"}
    with pytest.raises(ConfigError) as caught:
        ConfigurationSource(path, environ, SecretCache()).load()
    assert [problem.key for problem in caught.value.problems] == [
        "credentials.main.keys.0.secret",
        "consumers.billing.allow.0",
    ]


@pytest.mark.parametrize(
    ("callers", "expected"),
    [
        (
            "{buffered_bytes: 1000000}",
            "a body may be larger than all of them together",
        ),
        ("{body_bytes: 200000000}", "a body may be larger than all of them together"),
        (
            "{buffered_bytes: 2000000}",
            "one consumer may use all of them up",
        ),
        ("{streams: 3000}", "one consumer may use all of them up"),
        ("{streams: 1000}", ""),
    ],
)
def test_c2_a_bound_that_others_contradict_is_warned_of(write: Write, callers: str, expected: str) -> None:
    found = [each for each in warnings(write(f"{GOOD}callers: {callers}\n")) if "buffered_bytes" in each]
    assert [each.startswith(f"callers.buffered_bytes: {expected}") for each in found] == (
        [True] if expected else []
    )


def test_c13_long_lists_are_compared_by_look_ups() -> None:
    """Of 3,000 senders, prefixes and hosts each, 12 add nothing; comparing all takes seconds."""
    numbers = [f"+1555{number:04}" for number in range(3_000)]
    hosts = [f"h{number}.a.test" for number in range(3_000)]
    form = FormSettings.model_validate(
        {
            "from": [*numbers, *numbers[:5]],
            "to": [*numbers, "+15550001", *(f"{number}7" for number in numbers[:3])],
            "callback_hosts": [*hosts, "*.b.test", "*.test", "x.b.test"],
        }
    )
    found = [finding.path for finding in find_repeats(form, ())]
    assert Counter(name for name, _ in found) == {"from": 5, "to": 4, "callback_hosts": 3_002}
