"""The Lua scripts over the intents of all replicas, and the form of their records (docs/design.md 4.7).

Of one account: `intent:SCOPE`, a hash, is what may not happen twice; `open` maps the id of each create that
has no definite answer to its owner (16 characters, with which the ids of its process begin) and its
description; `leases` says until when each owner's lease lasts, `kept` until when those that have ended are
listed; `to:DIGEST` holds the ids of creates with one To, `sids` what was created. All of them share a hash
tag, so that one script of a cluster sees them.

What a request supersedes, earlier ones of its process that were not sent or are over, leaves `open`, `leases`
and `to` with it: what stayed there would count as another create to that recipient, which may have made what
a look finds.

An answer that no caller has goes to one caller at a time: the `taker`, while the lease lasts.

Times are milliseconds by the server's clock; the first argument is the replica's estimate, for servers that
do not tell their time. Records carry a version; fields that a release does not know are left as they are.
"""

from gateway.redis.answer_forms import integer, optional, row, scalar, text
from gateway.redis.script import Script
from gateway.repeat_guard.open_outcomes import KEPT_SECONDS, LEASE_SECONDS, SID_SECONDS, WAITED_SECONDS
from gateway.repeat_guard.repeat_rules import MAX_SECONDS

RECORD_VERSION = 1
OWNER_LENGTH = 16
_KEPT_MS = round(KEPT_SECONDS * 1000)
_SID_MS = round(SID_SECONDS * 1000)
_MAX_MS = round(MAX_SECONDS * 1000)
_LEASE_MS = round(LEASE_SECONDS * 1000)
_WAITED_MS = round(WAITED_SECONDS * 1000)
_INDEX_MS = _KEPT_MS + _MAX_MS
"""No index outlives what it may hold."""

NOW = """
local told = redis.pcall('TIME')
local now = told.err and tonumber(ARGV[1]) or told[1] * 1000 + math.floor(told[2] / 1000)
"""
_FORGET_OLD = f"""
local function forget_old(scores, before)
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', scores, '-inf', before, 'LIMIT', 0, 10)) do
    redis.call('ZREM', scores, old)
    redis.call('HDEL', KEYS[2], old)
  end
  redis.call('PEXPIRE', scores, {_INDEX_MS})
end
"""
KEEP_SIDS = f"""
local function keep_sids(sids, made)
  redis.call('ZREMRANGEBYSCORE', sids, '-inf', now - {_SID_MS})
  for sid in string.gmatch(made, '%S+') do redis.call('ZADD', sids, now, sid) end
  redis.call('PEXPIRE', sids, {_SID_MS})
end
"""
_MINE = """
local function mine(first)
  for i = first, #ARGV do if ARGV[i] == owner then return true end end
  return false
end
"""
_NOT_MINE = f"""
local function not_mine(id)
  return string.sub(owner, 1, {OWNER_LENGTH}) == string.sub(id, 1, {OWNER_LENGTH}) and 0 or -1
end
"""
_FOREIGN = """
local function foreign(theirs)
  local ours = ARGV[#ARGV]
  if not theirs or theirs == '' or ours == '' then return false end
  for identity in string.gmatch(theirs, '%S+') do
    if string.find(ours, identity, 1, true) then return false end
  end
  return true
end
"""
_DROP = """
local function drop(first, last, to)
  if first > last then return end
  redis.call('HDEL', KEYS[2], unpack(ARGV, first, last))
  redis.call('ZREM', KEYS[3], unpack(ARGV, first, last))
  if to then redis.call('HDEL', to, unpack(ARGV, first, last)) end
end
"""
_LIST_TO = f"""
local function list_to(to, id)
  redis.call('HSET', to, id, 1)
  redis.call('PEXPIRE', to, {_INDEX_MS})
end
"""
# KEYS: intent, open, leases, released, and `to` where Twilio may be asked.
# ARGV: now, lease, seconds, description, id, ids of earlier requests of this process that it supersedes, and
# the consumer's identities with spaces between them.
_ENTER = f"""
redis.call('HSET', KEYS[1], 'version', {RECORD_VERSION}, 'id', ARGV[5], 'state', 'flight',
  'lease', now + ARGV[2], 'seconds', ARGV[3], 'started', now, 'identities', ARGV[#ARGV])
redis.call('PEXPIRE', KEYS[1], ARGV[2] + ARGV[3])
redis.call('HSET', KEYS[2], ARGV[5], string.sub(ARGV[5], 1, {OWNER_LENGTH}) .. ARGV[4])
redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[5])
if KEYS[5] then list_to(KEYS[5], ARGV[5]) end
"""
BEGIN = Script.of(
    NOW
    + _FORGET_OLD
    + _LIST_TO
    + _DROP
    + """
if redis.call('GET', KEYS[4]) == ARGV[5] then return false end
local found = redis.call('HMGET', KEYS[1], 'id', 'state', 'lease', 'seconds', 'started', 'status', 'slug',
  'answer', 'sid', 'taker', 'ended', 'identities')
local owner, state = found[1], found[2]
"""
    + _MINE
    + _FOREIGN
    + f"""
if owner and not (state == 'flight' and mine(5)) then
  if state ~= 'open' and tonumber(found[3]) > now and found[10] ~= ARGV[5] then return {{'flight', owner}} end
  local left = math.min(tonumber(found[4]), tonumber(found[5]) + {_MAX_MS} - now)
  if left > 0 and not foreign(found[12]) then
    if state == 'flight' then
      state = 'open'
      redis.call('HSET', KEYS[1], 'state', state, 'slug', 'replica_lost', 'status', 0)
    elseif state ~= 'open' then
      redis.call('HSET', KEYS[1], 'lease', now + ARGV[2], 'taker', ARGV[5])
    end
    redis.call('PEXPIRE', KEYS[1], left)
    local looked_at = tonumber(redis.call('ZSCORE', KEYS[3], owner) or 0) > now - {_LEASE_MS}
      and tonumber(found[11] or found[3]) > now - {_WAITED_MS}
    return {{state, owner, found[6] or 0, found[7] or 'replica_lost', found[8] or '', found[9] or '',
      looked_at and 1 or 0}}
  end
  redis.call('DEL', KEYS[1])
end
drop(6, #ARGV - 1, KEYS[5])
forget_old(KEYS[3], now - {_KEPT_MS})
redis.call('PEXPIRE', KEYS[2], {_INDEX_MS})
"""
    + _ENTER
    + "return false",
    optional(row(text, text, scalar, text, text, text, integer), row(text, text)),
)
# As BEGIN. -1: the intent is another's; 0: it is not in flight any more, or was ended before this came. A
# replica that was not heard of for some time takes what it has in flight back from the one that looks for it:
# absence follows only from looks after the end of the attempt. An intent that counts as open by then stays so
# for others until it is ended.
RENEW = Script.of(
    NOW
    + _LIST_TO
    + """
if redis.call('GET', KEYS[4]) == ARGV[5] then return 0 end
local owner = redis.call('HGET', KEYS[1], 'id')
"""
    + _MINE
    + f"""
if owner and not mine(5) then return -1 end
if owner and redis.call('HGET', KEYS[1], 'state') ~= 'flight' then
  if redis.call('HGET', KEYS[1], 'slug') == 'replica_lost' then
    redis.call('HSET', KEYS[2], ARGV[5], string.sub(ARGV[5], 1, {OWNER_LENGTH}) .. ARGV[4])
    redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[5])
    if KEYS[5] then list_to(KEYS[5], ARGV[5]) end
  end
  return 0
end
"""
    + _ENTER
    + "return 1",
    integer,
)
# KEYS: intent, open, leases, kept, then `sids` and `to` where Twilio may be asked.
# ARGV: now, SIDs with spaces between them, id, ids that it supersedes. -1: the intent is another's; 0: it is
# that of a later create of the same process, which began since the store forgot this one.
FORGET = Script.of(
    NOW
    + KEEP_SIDS
    + _DROP
    + """
local owner = redis.call('HGET', KEYS[1], 'id')
"""
    + _MINE
    + _NOT_MINE
    + """
drop(3, #ARGV, KEYS[6])
redis.call('ZREM', KEYS[4], ARGV[3])
if KEYS[5] and ARGV[2] ~= '' then keep_sids(KEYS[5], ARGV[2]) end
if not owner then return 1 end
if not mine(3) then return not_mine(ARGV[3]) end
redis.call('DEL', KEYS[1])
return 1
""",
    integer,
)
# KEYS: intent, open, leases, `to` where Twilio may be asked. ARGV: now, id, superseded ids.
RELEASE = Script.of(
    NOW
    + _DROP
    + """
local owner = redis.call('HGET', KEYS[1], 'id')
"""
    + _MINE
    + """
drop(2, #ARGV, KEYS[4])
if redis.call('HGET', KEYS[1], 'taker') == ARGV[2] then redis.call('HSET', KEYS[1], 'lease', 0) end
if owner and mine(2) then
  local found = redis.call('HMGET', KEYS[1], 'state', 'slug')
  if found[1] == 'flight' or found[2] == 'replica_lost' then redis.call('DEL', KEYS[1]) end
end
return 1
""",
    integer,
)
# Ends ids whose BEGIN or RENEW was not answered: it may still run, and enters nothing any more.
# KEYS: `released` of each id. ARGV: now, for how many milliseconds, the ids.
BAR = Script.of(
    """
for i = 3, #ARGV do redis.call('SET', KEYS[i - 2], ARGV[i], 'PX', ARGV[2]) end
return 1
""",
    integer,
)
# KEYS: intent. ARGV: now, id of who took the answer, and for how long it goes on giving it to its caller: 0
# if that has not got it.
GIVE = Script.of(
    NOW
    + """
if redis.call('HGET', KEYS[1], 'taker') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'lease', ARGV[3] == '0' and 0 or now + ARGV[3])
return 1
""",
    integer,
)
# KEYS: as FORGET. ARGV: now, lease (0: nobody looks), seconds, description, state, status, slug, answer,
# SIDs, id, superseded ids, identities. Open ones stay listed; a definite answer that no caller has is kept
# for a repeat. It may come late, when a look has found what was made: that is not open again, for its SID is
# owned by now, so that the next look would see nothing.
KEEP = Script.of(
    NOW
    + _FORGET_OLD
    + KEEP_SIDS
    + _LIST_TO
    + _DROP
    + """
local owner = redis.call('HGET', KEYS[1], 'id')
"""
    + _MINE
    + _NOT_MINE
    + f"""
drop(11, #ARGV - 1, KEYS[6])
if owner and not mine(10) then return not_mine(ARGV[10]) end
if owner == ARGV[10] and ARGV[5] == 'open' and redis.call('HGET', KEYS[1], 'state') == 'found' then
  return 1
end
redis.call('HSET', KEYS[1], 'version', {RECORD_VERSION}, 'id', ARGV[10], 'state', ARGV[5], 'seconds', ARGV[3],
  'status', ARGV[6], 'slug', ARGV[7], 'answer', ARGV[8], 'lease', 0,
  'ended', now, 'identities', ARGV[#ARGV])
redis.call('HSETNX', KEYS[1], 'started', now)
local started = tonumber(redis.call('HGET', KEYS[1], 'started'))
redis.call('PEXPIRE', KEYS[1], math.max(1, math.min(tonumber(ARGV[3]), started + {_MAX_MS} - now)))
if KEYS[5] and ARGV[9] ~= '' then keep_sids(KEYS[5], ARGV[9]) end
if ARGV[5] ~= 'open' then
  drop(10, #ARGV - 1, KEYS[6])
  return 1
end
local token = string.sub(ARGV[10], 1, {OWNER_LENGTH})
local held = redis.call('HGET', KEYS[2], ARGV[10])
if held and string.sub(held, 1, {OWNER_LENGTH}) ~= token then return 1 end
forget_old(KEYS[4], now)
redis.call('HSET', KEYS[2], ARGV[10], token .. ARGV[4])
redis.call('PEXPIRE', KEYS[2], {_INDEX_MS})
if KEYS[6] then list_to(KEYS[6], ARGV[10]) end
redis.call('ZADD', KEYS[4], now + {_KEPT_MS}, ARGV[10])
if ARGV[2] == '0' then
  redis.call('ZREM', KEYS[3], ARGV[10])
else
  redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[10])
end
return 1
""",
    integer,
)
