"""What replicas share of their view, in Redis: the scripts, and how much each key holds (ADR 25).

All keys begin with a version and have one hash tag, so that a cluster can run the scripts; all expire. A
later release that changes what a key holds changes the version.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from gateway.redis.redis_store import RedisStore
from gateway.redis.script import Script
from gateway.replicas.replica_listing import KEPT_SECONDS, Replica, read_object, read_replicas
from gateway.replicas.row_filter import Row, is_row

_TAG: Final = "{view:1}"
_SEEN, _ABOUT = f"{_TAG}:seen", f"{_TAG}:about"
_QUESTIONS, _VIEWED = f"{_TAG}:questions", f"{_TAG}:viewed"
MOST_REPLICAS: Final = 100
MOST_LATEST: Final = 500
"""Exchanges of a replica that the store holds."""
MOST_QUESTIONS: Final = 100
VIEWED_SECONDS: Final = 30
CONTENT_SECONDS: Final = 900
_ANSWER_SECONDS: Final = 30
_TABLES_AT_ONCE: Final = 4

# KEYS: seen, about, questions, viewed, tables and latest of this replica.
# ARGV: replica, now, about, tables or '', last question, then sequence number and row of each exchange.
_PUBLISH = Script.of(f"""
local function forget(names)
  for _, name in ipairs(names) do
    redis.call('ZREM', KEYS[1], name)
    redis.call('HDEL', KEYS[2], name)
  end
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
forget(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', tonumber(ARGV[2]) - {KEPT_SECONDS}))
local over = redis.call('ZCARD', KEYS[1]) - {MOST_REPLICAS}
if over > 0 then forget(redis.call('ZRANGE', KEYS[1], 0, over - 1)) end
redis.call('EXPIRE', KEYS[1], {KEPT_SECONDS})
redis.call('EXPIRE', KEYS[2], {KEPT_SECONDS})
if ARGV[4] ~= '' then redis.call('SET', KEYS[5], ARGV[4]) end
redis.call('EXPIRE', KEYS[5], {CONTENT_SECONDS})
for i = 6, #ARGV, 2 do
  local id = ARGV[i] .. '-0'
  local done = redis.pcall('XADD', KEYS[6], 'MAXLEN', {MOST_LATEST}, id, 'e', ARGV[i + 1])
  if type(done) == 'table' and done.err then
    redis.call('DEL', KEYS[6])
    redis.call('XADD', KEYS[6], id, 'e', ARGV[i + 1])
  end
end
redis.call('EXPIRE', KEYS[6], {CONTENT_SECONDS})
local asked = redis.call('XREAD', 'COUNT', 20, 'STREAMS', KEYS[3], ARGV[5])
return {{redis.call('EXISTS', KEYS[4]), asked and asked[1][2] or {{}}}}
""")
_LIST = Script.of(f"""
if ARGV[1] == '1' then redis.call('SET', KEYS[3], '1', 'EX', {VIEWED_SECONDS}) end
return {{redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), redis.call('HGETALL', KEYS[2])}}
""")
_TABLES = Script.of("return redis.call('MGET', unpack(KEYS))")
_ASK = Script.of(f"""
local id = redis.call('XADD', KEYS[1], 'MAXLEN', {MOST_QUESTIONS}, '*', 'q', ARGV[1])
redis.call('EXPIRE', KEYS[1], 60)
return id
""")
_ANSWER = Script.of(f"""
if redis.call('LLEN', KEYS[1]) < {MOST_REPLICAS} then redis.call('RPUSH', KEYS[1], ARGV[1]) end
redis.call('EXPIRE', KEYS[1], {_ANSWER_SECONDS})
return 1
""")
_ANSWERS = Script.of("return redis.call('LRANGE', KEYS[1], ARGV[1], -1)")
# KEYS: latest of some replicas. ARGV: the last sequence number of each that is known.
_LATEST = Script.of(f"""
local found = {{}}
for i = 1, #KEYS do
  local read = redis.call('XREAD', 'COUNT', {MOST_LATEST}, 'STREAMS', KEYS[i], ARGV[i] .. '-0')
  found[i] = read and read[1][2] or {{}}
end
return found
""")


class Question(NamedTuple):
    """What one replica asks another, or all others (`to` is ''): exchanges by the query of /api/exchanges."""

    id: str
    replica: str
    to: str
    query: str


class Published(NamedTuple):
    """Whether the view of all replicas was asked for lately, and what was asked meanwhile."""

    viewed: bool
    questions: list[Question]


class ViewStore:
    """One per process, on the loop of the admin port. Methods raise `StoreUnavailable`."""

    def __init__(self, store: RedisStore, replica: str) -> None:
        self._store = store
        self._replica = replica
        self._last_question = ""

    async def publish(self, about: bytes, tables: bytes, rows: Sequence[tuple[int, bytes]]) -> Published:
        """Say that this replica is there, and what it has seen since; `tables` may be empty for the last."""
        now = self._store.server_clock.now()
        keys = [
            *(_SEEN, _ABOUT, _QUESTIONS, _VIEWED),
            *(_tables_key(self._replica), _latest_key(self._replica)),
        ]
        last = self._last_question or f"{int(now * 1000)}-0"
        pairs = [part for seq, row in rows for part in (seq, row)]
        viewed, asked = await self._store.run(
            _PUBLISH, keys, [self._replica, f"{now:.3f}", about, tables, last, *pairs], is_vital=False
        )
        self._last_question = asked[-1][0].decode() if asked else last
        return Published(bool(viewed), [question for each in asked if (question := _read_question(*each))])

    async def replicas(self, *, viewed: bool = True) -> list[Replica]:
        """All replicas that were heard of in the last hour. `viewed`: they publish more for a while."""
        seen, about = await self._store.run(_LIST, [_SEEN, _ABOUT, _VIEWED], [int(viewed)], is_vital=False)
        return read_replicas(seen, about, self._store.server_clock.now())

    async def tables(self, names: Sequence[str]) -> dict[str, dict[str, object]]:
        """The tables of those that have published some; some at a time, as Redis does nothing meanwhile."""
        found: dict[str, dict[str, object]] = {}
        for start in range(0, len(names), _TABLES_AT_ONCE):
            some = names[start : start + _TABLES_AT_ONCE]
            texts = await self._store.run(_TABLES, [_tables_key(name) for name in some], [], is_vital=False)
            found |= {name: read_object(text) for name, text in zip(some, texts, strict=True) if text}
        return found

    async def ask(self, query: str, to: str) -> str:
        """Ask another replica, or all others; returns the question's id."""
        text = json.dumps({"replica": self._replica, "to": to, "query": query})
        answer: bytes = await self._store.run(_ASK, [_QUESTIONS], [text], is_vital=False)
        return answer.decode()

    async def answer(self, question: Question, content: bytes) -> None:
        """Answer a question."""
        await self._store.run(_ANSWER, [_answers_key(question.id)], [content], is_vital=False)

    async def answers(self, question_id: str, after: int) -> list[dict[str, object]]:
        """The answers behind the first `after`."""
        found = await self._store.run(_ANSWERS, [_answers_key(question_id)], [after], is_vital=False)
        return [read_object(each) for each in found]

    async def latest(self, known: Mapping[str, int]) -> dict[str, list[Row]]:
        """What replicas published since the sequence numbers that are known, oldest first."""
        if not known:
            return {}
        keys = [_latest_key(name) for name in known]
        found = await self._store.run(_LATEST, keys, list(known.values()), is_vital=False)
        return {
            name: [row for _, (_, text) in entries if is_row(row := read_object(text))]
            for name, entries in zip(known, found, strict=True)
        }


def _tables_key(replica: str) -> str:
    return f"{_TAG}:tables:{replica}"


def key_of_reports(replica: str) -> str:
    """The hash of a replica's figures by consumer."""
    return f"{_TAG}:reports:{replica}"


def _latest_key(replica: str) -> str:
    return f"{_TAG}:latest:{replica}"


def _answers_key(question_id: str) -> str:
    return f"{_TAG}:answers:{question_id}"


def _read_question(question_id: bytes, fields: Sequence[bytes]) -> Question | None:
    content = read_object(fields[1])
    values = [content.get(name) for name in ("replica", "to", "query")]
    if not all(isinstance(each, str) for each in values):
        return None  # of a later release
    return Question(question_id.decode(), *map(str, values))
