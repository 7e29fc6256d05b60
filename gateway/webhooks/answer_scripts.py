"""The Lua scripts over first answers of all replicas, and the form of their entries.

Entries lie in sixteen parts, each of three keys with one hash tag: `entries` maps an event's digest to `f`,
the end of the flight's lease (thirteen digits, ms) and its owner, or to `a` and a sealed answer; `ends` says
when each entry is forgotten; `bytes` is the size of all. What is beyond the bounds is dropped, oldest first.
Times are milliseconds by the server's clock; ARGV[1] is the replica's estimate of it.
"""

from typing import Final

from gateway.redis.answer_forms import integer, optional, text
from gateway.redis.script import Script
from gateway.repeat_guard.intent_scripts import NOW
from gateway.webhooks.webhook_repeats import KEPT_SECONDS

SHARDS: Final = 16
MAX_ENTRIES: Final = 65_536
MAX_BYTES: Final = 67_108_864
"""Of all parts together."""
_KEPT_MS: Final = round(KEPT_SECONDS * 1000)
_ENTRY_BYTES: Final = 200  # a digest in two tables, about
_SWEPT: Final = 20
_FLIGHT = "'f' .. string.format('%013d', now + tonumber(ARGV[4])) .. ARGV[3]"
# KEYS: entries, ends, bytes. ARGV: now, digest, owner, then more.
_ENTRY = (
    NOW
    + f"""
local function drop(field)
  local size = redis.call('HSTRLEN', KEYS[1], field)
  if redis.call('HDEL', KEYS[1], field) == 1 then redis.call('DECRBY', KEYS[3], size + {_ENTRY_BYTES}) end
  redis.call('ZREM', KEYS[2], field)
end
local function put(value)
  drop(ARGV[2])
  if redis.call('HLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[2], KEYS[3]) end
  redis.call('HSET', KEYS[1], ARGV[2], value)
  redis.call('ZADD', KEYS[2], now + {_KEPT_MS}, ARGV[2])
  local size = redis.call('INCRBY', KEYS[3], #value + {_ENTRY_BYTES})
  local past = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, {_SWEPT})
  for _, old in ipairs(past) do drop(old) end
  while redis.call('ZCARD', KEYS[2]) > {MAX_ENTRIES // SHARDS} or size > {MAX_BYTES // SHARDS} do
    local oldest = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
    if not oldest or oldest == ARGV[2] then break end
    drop(oldest)
    size = tonumber(redis.call('GET', KEYS[3]) or '0')
  end
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, {_KEPT_MS}) end
end
local value = redis.call('HGET', KEYS[1], ARGV[2])
if value and tonumber(redis.call('ZSCORE', KEYS[2], ARGV[2]) or 0) <= now then value = false end
local flies = value and string.sub(value, 1, 1) == 'f'
local owner = flies and string.sub(value, 15)
"""
)
# ARGV[4]: milliseconds of the lease. False: the flight is the caller's; else the answer, or another flight.
BEGIN = Script.of(
    _ENTRY
    + f"""
if value and not flies then return value end
if flies and owner ~= ARGV[3] and tonumber(string.sub(value, 2, 14)) > now then return value end
put({_FLIGHT})
return false
""",
    optional(text),
)
# As BEGIN.
RENEW = Script.of(
    _ENTRY
    + f"""
if owner == ARGV[3] then put({_FLIGHT}) end
return 1
""",
    integer,
)
# ARGV[4]: the answer, '' for none. One that ends late, when another has taken over, changes nothing.
END = Script.of(
    _ENTRY
    + """
if value and owner ~= ARGV[3] then return 0 end
if ARGV[4] == '' then drop(ARGV[2]) else put(ARGV[4]) end
return 1
""",
    integer,
)
