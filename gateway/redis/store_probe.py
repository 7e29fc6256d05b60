"""Asks a store for all that requests need of it: that it takes writes, and that its user has every right.

With one right missing, some scripts would fail and others not: a store that is used by halves counts twice.
"""

import re
from collections.abc import Sequence
from typing import Final

PROBE_KEYS: Final = ("{probe}", "{probe}:hash", "{probe}:scores")
"""What the probe writes, for a second; one slot of a cluster."""

# Returns pairs: a command that failed, and why. It writes, since a replica or a full Redis still takes reads.
# SET comes first, since a full Redis lets a script that has deleted something go on.
PROBE_TEXT: Final = """
local failed = {}
local function try(...)
  local done = redis.pcall(...)
  if type(done) == 'table' and done.err then
    failed[#failed + 1] = (...)
    failed[#failed + 1] = done.err
  end
end
local text, hash, scores = KEYS[1], KEYS[2], KEYS[3]
try('SET', text, '1', 'PX', 1000)
try('DEL', hash, scores)
try('GET', text)
try('MGET', text)
try('EXISTS', text)
try('HSET', hash, 'a', '1')
try('HSETNX', hash, 'a', '1')
try('HGET', hash, 'a')
try('HMGET', hash, 'a')
try('HEXISTS', hash, 'a')
try('HKEYS', hash)
try('HDEL', hash, 'b')
try('PEXPIRE', hash, 1000)
try('ZADD', scores, 1, 'a')
try('ZSCORE', scores, 'a')
try('ZRANGEBYSCORE', scores, 0, 1)
try('ZREMRANGEBYSCORE', scores, 0, 0)
try('ZREM', scores, 'b')
try('PEXPIRE', scores, 1000)
return failed
"""
_NO_RIGHT: Final = re.compile("can't run this command|no permissions|can't access", re.IGNORECASE)


def read_probe(answer: object) -> str:
    """Why a store cannot be used, by its answer to `PROBE_TEXT`; '' if it can."""
    if not isinstance(answer, list) or not all(isinstance(each, bytes) for each in answer):
        return "the answer to a script is of another form"
    texts = [each.decode(errors="replace") for each in answer]
    failed = list(zip(texts[::2], texts[1::2], strict=False))
    return _without_rights(failed) or (f"{failed[0][0]}: {failed[0][1]}" if failed else "")


def _without_rights(failed: Sequence[tuple[str, str]]) -> str:
    commands = dict.fromkeys(command for command, why in failed if _NO_RIGHT.search(why))
    return f"the Redis user has no right to {', '.join(commands)}" if commands else ""
