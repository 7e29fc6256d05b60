"""The Lua scripts over open outcomes of all replicas; `intent_scripts.py` says what they change."""

from gateway.redis.answer_forms import integer, items, optional, row, text
from gateway.redis.script import Script
from gateway.repeat_guard.intent_scripts import KEEP_SIDS, NOW, OWNER_LENGTH
from gateway.repeat_guard.open_outcomes import KEPT_SECONDS

_KEPT_MS = round(KEPT_SECONDS * 1000)

_OWNED = f"""
local held = redis.call('HGET', KEYS[1], ARGV[2])
if not held or string.sub(held, 1, {OWNER_LENGTH}) ~= ARGV[3] then return 0 end
"""
_DESCRIPTION = f"string.sub(held, {OWNER_LENGTH + 1})"
ROW = row(text, integer, text)  # id, lease's end, description
# KEYS: open, leases, kept. ARGV: now, owner, lease, how many at most. Pairs of id, lease's end, description.
TAKE_OVER = Script.of(
    NOW
    + f"""
local taken = {{}}
local lapsed = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[4])
for i = 1, #lapsed, 2 do
  local id, lease = lapsed[i], tonumber(lapsed[i + 1])
  local held = redis.call('HGET', KEYS[1], id)
  if not held or lease < now - {_KEPT_MS} then
    redis.call('ZREM', KEYS[2], id)
    redis.call('HDEL', KEYS[1], id)
  else
    redis.call('HSET', KEYS[1], id, ARGV[2] .. {_DESCRIPTION})
    redis.call('ZADD', KEYS[2], now + ARGV[3], id)
    redis.call('ZADD', KEYS[3], 'NX', now + {_KEPT_MS}, id)
    taken[#taken + 1] = {{id, lease, {_DESCRIPTION}}}
  end
end
return taken
""",
    items(ROW),
)
# KEYS: as above. ARGV: now, owner, lease, id.
TAKE = Script.of(
    NOW
    + f"""
local held = redis.call('HGET', KEYS[1], ARGV[4])
if not held then return false end
local lease = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[4]) or 0)
if lease > now then return false end
redis.call('HSET', KEYS[1], ARGV[4], ARGV[2] .. {_DESCRIPTION})
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[4])
redis.call('ZADD', KEYS[3], 'NX', now + {_KEPT_MS}, ARGV[4])
return {{ARGV[4], lease, {_DESCRIPTION}}}
""",
    optional(ROW),
)
# KEYS: open, leases. ARGV: now, id, owner, lease, description.
WRITE = Script.of(
    NOW
    + _OWNED
    + """
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3] .. ARGV[5])
redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[2])
return 1
""",
    integer,
)
# KEYS: open, leases, kept, intent, sids, to. ARGV: now, id, owner, state, SID or '', description.
RESOLVE = Script.of(
    NOW
    + KEEP_SIDS
    + _OWNED
    + f"""
redis.call('ZREM', KEYS[2], ARGV[2])
if ARGV[4] == 'unknown' then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3] .. ARGV[6])
  redis.call('ZADD', KEYS[3], 'NX', now + {_KEPT_MS}, ARGV[2])
  return 1
end
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('HDEL', KEYS[6], ARGV[2])
if ARGV[5] ~= '' then keep_sids(KEYS[5], ARGV[5]) end
if redis.call('HGET', KEYS[4], 'id') ~= ARGV[2] then return 1 end
if ARGV[4] == 'absent' then
  redis.call('DEL', KEYS[4])
else
  redis.call('HSET', KEYS[4], 'state', 'found', 'sid', ARGV[5], 'answer', '', 'lease', 0)
end
return 1
""",
    integer,
)


def _is_compared(answer: object) -> bool:
    return isinstance(answer, list) and integer(answer[0] if answer else None) and all(map(text, answer[1:]))


# KEYS: open, sids, to. ARGV: now, id, SIDs. The number of others, then the SIDs that belong to no exchange.
COMPARE = Script.of(
    """
local others = 0
for _, id in ipairs(redis.call('HKEYS', KEYS[3])) do
  if redis.call('HEXISTS', KEYS[1], id) == 0 then
    redis.call('HDEL', KEYS[3], id)
  elseif id ~= ARGV[2] then
    others = others + 1
  end
end
local found = {others}
for i = 3, #ARGV do
  if not redis.call('ZSCORE', KEYS[2], ARGV[i]) then found[#found + 1] = ARGV[i] end
end
return found
""",
    _is_compared,
)
# KEYS: sids. ARGV: now, SID.
OWN = Script.of(NOW + KEEP_SIDS + "keep_sids(KEYS[1], ARGV[2]) return 1", integer)
# KEYS: open, leases, kept. ARGV: now, how many at most. As TAKE_OVER, but nobody's owner changes.
LIST = Script.of(
    NOW
    + f"""
local listed, seen = {{}}, {{}}
local function add(id)
  local held = redis.call('HGET', KEYS[1], id)
  if held and not seen[id] then
    seen[id] = true
    listed[#listed + 1] = {{id, tonumber(redis.call('ZSCORE', KEYS[2], id) or 0), {_DESCRIPTION}}}
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], now, '+inf', 'LIMIT', 0, ARGV[2])) do add(id) end
local from = now - {_KEPT_MS}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], from, now, 'LIMIT', 0, ARGV[2])) do add(id) end
return listed
""",
    items(ROW),
)
