"""Row B1: every parameter of every request body is classified, and each row says why."""

import pytest

from gateway.twilio.catalogue import Catalogue, ParameterClass, generate
from gateway.twilio.catalogue.parameter_reader import Parameter
from gateway.twilio.catalogue.parameter_table import (
    OperationParameters,
    ParameterClasses,
    ParameterTable,
    parse_operations,
    render_operations,
)

pytestmark = [pytest.mark.slow, pytest.mark.sources]

_MESSAGES = ("POST", "api", "/2010-04-01/Accounts/{AccountSid}/Messages")


@pytest.fixture(scope="module")
def parameters() -> list[Parameter]:
    return list(generate.package_parameters())


@pytest.fixture(scope="module")
def classes() -> ParameterClasses:
    return ParameterClasses(generate.CLASSES.read_text("utf-8"))


def test_b1_every_parameter_of_the_catalogue_is_classified(
    parameters: list[Parameter], classes: ParameterClasses
) -> None:
    missing = generate.find_unclassified(parameters, classes)
    assert not missing, "say what each can do, in parameter_classes.tsv"
    assert len({each[:4] for each in parameters}) > 3900
    assert len({each[:3] for each in parameters}) > 540


def test_b1_no_row_is_stale_and_each_has_a_reason(
    parameters: list[Parameter], classes: ParameterClasses
) -> None:
    assert not generate.find_stale(parameters, classes)
    assert all(len(reason) > 5 for reason in classes.reasons.values())


def test_b1_a_parameter_that_nobody_has_classified_is_found(
    parameters: list[Parameter], classes: ParameterClasses
) -> None:
    new = Parameter(*_MESSAGES, "SenderOfTomorrow", "str")
    assert generate.find_unclassified([*parameters, new], classes) == [new]
    row = OperationParameters(*_MESSAGES, ("SenderOfTomorrow",))
    with pytest.raises(ValueError, match="no row for SenderOfTomorrow of POST api /2010"):
        ParameterTable(classes, [row])


def test_the_file_is_what_the_script_generates() -> None:
    same = generate.PARAMETERS.read_text("utf-8") == generate.build_parameters()
    assert same, "run python -m gateway.twilio.catalogue.generate, look at the difference, and commit it"


def test_operations_survive_the_file() -> None:
    rows = [
        OperationParameters("POST", "verify", "/v2/Services", ("FriendlyName", "Psd2Enabled")),
        OperationParameters(*_MESSAGES, ("Body", "To")),
    ]
    assert list(parse_operations(render_operations(rows, "1", "command"))) == rows[::-1]


def test_the_narrowest_row_holds() -> None:
    text = "neither\tUrl\t*\ta\ncallback\tUrl\tapi\tb\nsender\tUrl\tapi /x\tc\n"
    classes = ParameterClasses(text)
    assert classes.find("verify", "/x", "Url") is ParameterClass.NEITHER
    assert classes.find("api", "/y", "Url") is ParameterClass.CALLBACK
    assert classes.find("api", "/x", "Url") is ParameterClass.SENDER
    assert classes.find("api", "/x", "Uri") is None
    with pytest.raises(ValueError, match="two rows for Url"):
        ParameterClasses(text + "text\tUrl\tapi\td\n")


@pytest.mark.parametrize(
    ("method", "product", "path", "name", "kind"),
    [
        ("POST", "api", "/2010-04-01/Accounts/AC1/Messages.json", "FallbackFrom", ParameterClass.SENDER),
        ("PUT", "api", "/2010-04-01/Accounts/AC1/Calls.json", "CallerId", ParameterClass.SENDER), ("POST",
        "api", "/2010-04-01/Accounts/AC1/Calls", "Url", ParameterClass.INSTRUCTIONS), ("POST", "api",
        "/2010-04-01/Accounts/AC1/Calls", "StatusCallback", ParameterClass.CALLBACK), ("POST", "api",
        "/2010-04-01/Accounts/AC1/Calls", "Twiml", ParameterClass.TWIML), ("POST", "api",
        "/2010-04-01/Accounts/AC1/OutgoingCallerIds", "PhoneNumber", ParameterClass.RECIPIENT), ("POST",
        "api", "/2010-04-01/Accounts/AC1/IncomingPhoneNumbers", "PhoneNumber", ParameterClass.NEITHER),
        ("POST", "notify", "/v1/Services/IS1/Notifications", "Identity", ParameterClass.RECIPIENT), ("POST",
        "chat", "/v2/Services/IS1/Users", "Identity", ParameterClass.NEITHER), ("POST", "studio", "/v2/Flows",
        "Definition", ParameterClass.DOCUMENT), ("POST", "messaging", "/v2/Channels/Senders",
        "webhook.callback_url", ParameterClass.INSTRUCTIONS), ("PATCH", "conversations",
        "/v2/ControlPlane/Configurations/c_1", "statusCallbacks.url",
         ParameterClass.CALLBACK),
    ],
)  # fmt: skip
def test_b1_routes_know_their_parameters(
    catalogue: Catalogue, method: str, product: str, path: str, name: str, kind: ParameterClass
) -> None:
    assert catalogue.match(product, method, path).parameters.get(name) is kind
