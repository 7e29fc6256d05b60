"""The route of a path: every route of the file, and the rules by example."""

from collections.abc import Callable
from random import Random

import pytest

from gateway.twilio.catalogue import OTHER, SUFFIXES, UNLISTED, BodyKind, Catalogue, Route
from gateway.twilio.catalogue.route_table import Row

ACCOUNT = "/2010-04-01/Accounts/AC00112233445566778899aabbccddeeff"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

VALUES: dict[str, Callable[[Random], str]] = {
    "sid": lambda random: "SM" + "".join(random.choices("0123456789abcdef", k=32)),
    "phone number": lambda random: f"%2B1{random.randrange(10**9, 10**10)}",
    "unique name": lambda random: "".join(random.choices("abc-_.~", k=20)) + "x",
    "name with a dot": lambda random: f"foo{random.randrange(99)}.bar",
    "type id": lambda random: f"conv_configuration_{random.randrange(10**20):026x}",
}


def fill(template: str, value: Callable[[Random], str], random: Random) -> str:
    return "/".join(value(random) if segment.startswith("{") else segment for segment in template.split("/"))


@pytest.mark.parametrize("suffix", ["", ".json"])
@pytest.mark.parametrize("kind", VALUES)
def test_every_route_matches_itself(catalogue: Catalogue, kind: str, suffix: str) -> None:
    random = Random(20100401)
    for route in catalogue.routes:
        path = fill(route.template, VALUES[kind], random) + suffix
        assert catalogue.match(route.product, route.method, path) is route, path
        assert route.label == route.template
        assert route.known


def test_head_has_the_route_of_get_everywhere(catalogue: Catalogue) -> None:
    for route in catalogue.routes:
        if route.method == "GET":
            path = fill(route.template, VALUES["sid"], Random(1))
            assert catalogue.match(route.product, "HEAD", path) is route


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/IncomingPhoneNumbers/Local.json", "/IncomingPhoneNumbers/Local"),
        ("/IncomingPhoneNumbers/Local", "/IncomingPhoneNumbers/Local"),
        ("/IncomingPhoneNumbers/local.json", "/IncomingPhoneNumbers/{Sid}"),
        ("/IncomingPhoneNumbers/PN1.json", "/IncomingPhoneNumbers/{Sid}"),
        ("/IncomingPhoneNumbers/Local.bar", "/IncomingPhoneNumbers/{Sid}"),
        ("/IncomingPhoneNumbers/json", "/IncomingPhoneNumbers/{Sid}"),
        (
            "/IncomingPhoneNumbers/Local/AssignedAddOns",
            "/IncomingPhoneNumbers/{ResourceSid}/AssignedAddOns",
        ),
    ],
)
def test_literals_win_and_parameters_are_tried_after_them(
    catalogue: Catalogue, path: str, template: str
) -> None:
    route = catalogue.match("api", "GET", ACCOUNT + path)
    assert route.template == "/2010-04-01/Accounts/{AccountSid}" + template
    assert route.known


@pytest.mark.parametrize(
    ("method", "template"),
    [
        ("GET", "/v2/Configurations/Recording/{IdOrUniqueName}"),
        ("PUT", "/v2/Configurations/Recording/{IdOrUniqueName}"),
        ("POST", "/v2/Configurations/{Type}/Default"),
        ("PATCH", "/v2/Configurations/Recording/{IdOrUniqueName}"),  # neither lists it: literals first
    ],
)
def test_of_two_templates_the_one_that_lists_the_method(
    catalogue: Catalogue, method: str, template: str
) -> None:
    route = catalogue.match("voice", method, "/v2/Configurations/Recording/Default")
    assert (route.template, route.known) == (template, method != "PATCH")


@pytest.mark.parametrize("surplus", [1, 12, 1000])
def test_below_the_deepest_templates_nothing_is_known(catalogue: Catalogue, surplus: int) -> None:
    depth = max(route.template.count("/") for route in catalogue.routes)
    for route in catalogue.routes:
        if route.template.count("/") == depth:
            path = route.template + "/surplus" * surplus
            assert catalogue.match(route.product, route.method, path).label == OTHER


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_representation_is_not_part_of_the_name(catalogue: Catalogue, suffix: str) -> None:
    label = catalogue.match("api", "GET", f"{ACCOUNT}/Messages{suffix}").label
    assert label == "/2010-04-01/Accounts/{AccountSid}/Messages"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "*",
        "2010-04-01/Accounts/AC1",
        "/2010-04-01",
        "/2010-04-01/Accounts/",
        "/2010-04-01/accounts/AC1",
        ACCOUNT + "/Messages/",
        ACCOUNT + "/Messages/.json",
        ACCOUNT + "/Messages.JSON",
        ACCOUNT + "/Messages.foo",
        ACCOUNT + "/Messages.json.json",
        ACCOUNT + "/Messages.json/SM1",
        ACCOUNT + "/Messages/SM1/Nothing",
        ACCOUNT + "/json",
        ACCOUNT + "/Messages" * 1000,
        "/" * 1000,
    ],
)
def test_an_unknown_path_is_other(catalogue: Catalogue, path: str) -> None:
    for method in METHODS:
        route = catalogue.match("api", method, path)
        assert route == Route("api", UNLISTED, OTHER, OTHER, BodyKind.FORM, known=False, instance=False)


@pytest.mark.parametrize(
    ("product", "kind"),
    [
        ("api", BodyKind.FORM),
        ("verify", BodyKind.FORM_OR_JSON),
        ("assistants", BodyKind.FORM_OR_JSON),
        ("mcs", BodyKind.ANY),
        ("lookups-upload", BodyKind.ANY),
        ("a-host-of-ours", BodyKind.FORM_OR_JSON),
    ],
)
def test_the_body_of_an_unknown_route(catalogue: Catalogue, product: str, kind: BodyKind) -> None:
    route = catalogue.match(product, "POST", "/v9/Nothing")
    assert (route.product, route.label, route.body_kind, route.known) == (product, OTHER, kind, False)


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "BREW"])
def test_an_unlisted_method_keeps_the_label_of_its_path(catalogue: Catalogue, method: str) -> None:
    route = catalogue.match("api", method, ACCOUNT + "/Messages.json")
    assert (route.method, route.known, route.instance) == (UNLISTED, False, False)
    assert route.label == "/2010-04-01/Accounts/{AccountSid}/Messages"
    assert route.body_kind is BodyKind.FORM


def test_put_is_post_on_api_and_only_there(catalogue: Catalogue) -> None:
    for path in (ACCOUNT + "/Messages/SM1", ACCOUNT + "/Messages.json"):
        assert catalogue.match("api", "PUT", path) is catalogue.match("api", "POST", path)
    assert catalogue.match("api", "PUT", ACCOUNT + "/Messages/SM1").instance
    elsewhere = catalogue.match("verify", "PUT", "/v2/Services/VA1")
    assert (elsewhere.known, elsewhere.method) == (False, UNLISTED)
    assert elsewhere.body_kind is BodyKind.FORM_OR_JSON


@pytest.mark.parametrize(
    ("product", "method", "path", "kind"),
    [
        ("api", "POST", ACCOUNT + "/Messages.json", BodyKind.FORM),
        ("api", "GET", ACCOUNT + "/Messages.json", BodyKind.FORM),
        ("verify", "DELETE", "/v2/Services/VA1", BodyKind.FORM_OR_JSON),
        ("content", "POST", "/v1/Content", BodyKind.JSON),
        ("preview-iam", "POST", "/Organizations/OR1/scim/Users", BodyKind.JSON),
        ("mcs", "POST", "/v1/Services/IS1/Media", BodyKind.ANY),
        ("serverless-upload", "POST", "/v1/Services/ZS1/Assets/ZH1/Versions", BodyKind.ANY),
    ],
)
def test_the_body_of_a_known_route(
    catalogue: Catalogue, product: str, method: str, path: str, kind: BodyKind
) -> None:
    route = catalogue.match(product, method, path)
    assert (route.known, route.body_kind) == (True, kind)


def test_declared_headers(catalogue: Catalogue) -> None:
    transcription = catalogue.match("voice", "POST", "/v3/Transcriptions")
    assert transcription.idempotency_key
    questionnaires = catalogue.match("flex-api", "GET", "/v1/Insights/QualityManagement/Questionnaires")
    assert not questionnaires.idempotency_key
    assert not catalogue.match("api", "POST", ACCOUNT + "/Messages.json").idempotency_key


def test_a_route_listed_twice_is_an_error() -> None:
    rows = [
        Row("GET", "api", "/v1/{Sid}", None, frozenset()),
        Row("GET", "api", "/v1/{Name}", None, frozenset()),
    ]
    with pytest.raises(ValueError, match="two routes for GET api /v1/"):
        Catalogue(rows)
