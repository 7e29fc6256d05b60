"""What replicas ask each other: exchanges, and the points of a filtered history.

A question for exchanges is the query of /api/exchanges; one for points begins with `HISTORY`, which releases
that do not know it refuse as an unknown parameter, and so do not answer.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from gateway.replicas.published_rows import write_answer, write_object
from gateway.replicas.row_filter import Row
from gateway.replicas.view_store import Question, ViewStore

ANSWER_SECONDS: Final = 2.5
_POLL_SECONDS: Final = 0.1
HISTORY: Final = "history?"
EXCHANGES_FIELD, HISTORY_FIELD = "exchanges", "points"


class Answers(NamedTuple):
    """What this replica has for a query; each raises `ValueError` if it does not know that."""

    exchanges: Callable[[str], list[Row]]
    points: Callable[[str], list[list[object]]]

    def write(self, replica: str, query: str) -> bytes:
        """The answer to a question."""
        if query.startswith(HISTORY):
            return write_object(replica, HISTORY_FIELD, self.points(query.removeprefix(HISTORY)))
        return write_answer(replica, self.exchanges(query))


async def ask_replicas(
    store: ViewStore, query: str, names: Sequence[str], to: str, field: str
) -> list[dict[str, Any]]:
    """The answers of those replicas of `names` that answer in time: objects with `replica`, and a list as
    `field`. `to` is the one that is asked, '' for all. Raises `StoreUnavailable`."""
    if not names:
        return []
    question = await store.ask(query, to)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ANSWER_SECONDS
    found: list[dict[str, Any]] = []
    read = 0
    while len(found) < len(names) and loop.time() < deadline:
        await asyncio.sleep(_POLL_SECONDS)
        new = await store.answers(question, read)
        read += len(new)
        found += [each for each in new if each.get("replica") in names and isinstance(each.get(field), list)]
    return found


async def answer_questions(
    store: ViewStore, replica: str, answers: Answers, questions: Sequence[Question]
) -> None:
    """Answer what others have asked. Raises `StoreUnavailable`."""
    for question in questions:
        if question.replica != replica and question.to in ("", replica):
            try:
                text = answers.write(replica, question.query)
            except ValueError:
                continue  # a later release asks for what this one does not know
            await store.answer(question, text)
