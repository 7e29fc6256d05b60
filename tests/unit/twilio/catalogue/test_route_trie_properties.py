"""Any call has a bounded answer, and it is that of a slow search that says the rules plainly."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.twilio.catalogue import OTHER, SUFFIXES, UNLISTED, Route, load_catalogue
from gateway.twilio.catalogue.hosts import unknown_body_kind

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
CATALOGUE = load_catalogue()  # hypothesis has no use for fixtures

# Segments that templates really use, so that paths go deep and collide.
WORDS = sorted({word for route in CATALOGUE.routes for word in route.template.split("/")[1:]})
SEGMENTS = st.sampled_from(WORDS) | st.sampled_from(["SM1", "%2B1555", "Local.json", ".csv", ""])
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))
Call = tuple[str, str, str]


@st.composite
def near_calls(draw: st.DrawFn) -> Call:
    """A template whose parameters are anything, other templates' literals included."""
    route = draw(st.sampled_from(CATALOGUE.routes))
    path_segments = (
        draw(SEGMENTS) if segment.startswith("{") else segment for segment in route.template.split("/")
    )
    return route.product, draw(st.sampled_from(METHODS)), "/".join(path_segments)


FAR_CALLS = st.tuples(
    st.sampled_from(sorted(CATALOGUE.products)),
    st.sampled_from(METHODS) | PRINTABLE,
    PRINTABLE | st.lists(SEGMENTS, max_size=12).map(lambda path_segments: "/" + "/".join(path_segments)),
)


@given(near_calls() | FAR_CALLS)
def test_any_path_has_a_route_with_a_bounded_label(call: Call) -> None:
    labels = len(CATALOGUE.labels)
    route = CATALOGUE.match(*call)
    assert route.label in CATALOGUE.labels
    assert len(CATALOGUE.labels) == labels
    assert route.product == call[0]
    assert route.known == (route.method != UNLISTED)
    assert CATALOGUE.match(*call) is route


@settings(max_examples=400)
@given(near_calls() | FAR_CALLS)
def test_the_trie_says_what_a_slow_search_says(call: Call) -> None:
    assert CATALOGUE.match(*call) == search(*call)


def search(product: str, method: str, path: str) -> Route:
    """Every template that fits is tried, literals first from the left: the first that has the method."""
    *front, last = path.split("/")
    stem, dot, suffix = last.rpartition(".")
    path_segments = [*front, stem if dot + suffix in SUFFIXES else last]
    fits = sorted(
        (
            route
            for route in CATALOGUE.routes
            if route.product == product and fits_template(path_segments, route.template.split("/"))
        ),
        key=lambda route: [segment.startswith("{") for segment in route.template.split("/")],
    )
    wanted = {"HEAD": ["HEAD", "GET"], "PUT": ["PUT", "POST"] if product == "api" else ["PUT"]}
    for template in dict.fromkeys(route.template for route in fits):
        for name in wanted.get(method, [method]):
            for route in fits:
                if (route.template, route.method) == (template, name):
                    return route
    template, instance = (fits[0].template, fits[0].instance) if fits else (OTHER, False)
    return Route(product, UNLISTED, template, template, unknown_body_kind(product), False, instance)


def fits_template(path_segments: list[str], template: list[str]) -> bool:
    return len(path_segments) == len(template) and all(
        bool(segment) if expected.startswith("{") else segment == expected
        for segment, expected in zip(path_segments, template, strict=True)
    )
