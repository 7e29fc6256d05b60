"""The file's format: what is written is what is read."""

import pytest

from gateway.twilio.catalogue.generate import TABLE
from gateway.twilio.catalogue.route import BodyKind
from gateway.twilio.catalogue.route_table import COMMAND, Row, parse_table, render_table

ROWS = [
    Row("GET", "api", "/2010-04-01/Accounts/{Sid}", None, frozenset()),
    Row("POST", "api", "/2010-04-01/Accounts/{Sid}", BodyKind.FORM, frozenset()),
    Row(
        "POST", "voice", "/v3/Transcriptions", BodyKind.JSON, frozenset({"idempotency-key", "authorization"})
    ),
]


def test_rows_come_back_sorted() -> None:
    text = render_table(reversed(ROWS), "1.2.3")
    assert list(parse_table(text)) == ROWS
    assert text.splitlines()[0] == "# twilio 1.2.3"
    assert COMMAND in text.splitlines()[1]
    assert text.endswith("\tjson\tauthorization,idempotency-key\n")


@pytest.mark.parametrize(
    "line",
    ["GET\tapi\t/v1", "GET\tapi\t/v1\tyaml\t-", "", "GET\tapi\t/v1\t-\t-\t-"],
)
def test_another_file_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"routes\.tsv|unpack"):
        list(parse_table(f"# twilio 1.2.3\n{line}\n"))


def test_the_file_in_the_tree_is_sorted_and_complete() -> None:
    text = TABLE.read_text("utf-8")
    rows = list(parse_table(text))
    assert render_table(rows, text.split()[2]) == text
    assert len(rows) == 1594
    assert len({(row.product, row.method, row.template) for row in rows}) == len(rows)
