"""Whatever a file or variable holds: settings, or our error, which can be printed. Nothing else."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.loading.resolve import load_resolved
from gateway.config.problems import ConfigError
from tests.unit.config.conftest import ENVIRON, GOOD

NAMES = [
    *[
        "credentials",
        "consumers",
        "main",
        "billing",
        "keys",
        "env",
        "file",
        "account_sid",
        "limits",
        "rate",
        "form",
    ],
    *["upstream", "proxy", "admin", "listen", "store", "expires", "digest", "subaccounts", "log", "<<", "x"],
]
SCALARS = st.sampled_from(
    [
        *["null", "1", "1e999", "-1", ".inf", "0x_", "true", "main", "*a", "&a 1", "!x", "!!int a", "'+1'"],
        *["2027-13-45", "2027-01-01", "9999-12-31T23:59:59-23:59", "20/s", "127.0.0.1:1", "http://u:p@h:1"],
        *['"\\ud800"', '"\\0"', "AC" + "0" * 32],
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(st.sampled_from(NAMES), inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{name}: {value}" for name, value in pairs) + "}"
        ),
    ),
    max_leaves=20,
)


def _judge(content: bytes, environ: dict[str, str]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "gateway.yaml")
        path.write_bytes(content)
        try:
            load_resolved(path, environ)
        except ConfigError as error:
            problems = error.problems
        else:
            return
    assert problems
    assert all(str(problem).isprintable() for problem in problems)


@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    _judge(content, ENVIRON)


@given(VALUES)
def test_any_yaml(text: str) -> None:
    _judge(text.encode(), ENVIRON)


@given(st.sampled_from(NAMES), VALUES)
def test_any_addition_to_a_good_file(name: str, value: str) -> None:
    _judge(f"{GOOD}    {name}: {value}\n".encode(), ENVIRON)
    _judge(f"{GOOD}{name}: {value}\n".encode(), ENVIRON)


@given(
    st.lists(st.sampled_from([*NAMES, "", "\udcff"]), max_size=5).map("__".join),
    st.text(max_size=30) | VALUES,
)
def test_any_override(name: str, value: str) -> None:
    _judge(GOOD.encode(), {**ENVIRON, f"GATEWAY__{name}": value})


@given(st.dictionaries(st.sampled_from(sorted(ENVIRON)), st.text(max_size=40)))
def test_any_values_of_the_variables(environ: dict[str, str]) -> None:
    _judge(GOOD.encode(), environ)
