"""The Lua scripts over records of keyed requests, and the form of these records.

Records carry a version. Replicas of the previous release read them as well: for these, `fingerprint` is that
of version 1, and they ignore fields that they do not know. Their own records lack these fields.
"""

from gateway.redis.answer_forms import integer, optional, row, text
from gateway.redis.script import Script

RECORD_VERSION = 2

# KEYS: record, lease, released. ARGV: numbered ones, then the holder's token and the tokens it supersedes.
_MINE = """
local function mine(owner, first)
  for i = first, #ARGV do if ARGV[i] == owner then return true end end
  return false
end
"""
# Whether a script that begins the flight runs late: its lease has been given up since.
_RELEASED = """
local released = redis.call('GET', KEYS[3])
released = released and string.find(released, ARGV[6], 1, true)
"""
_OWNER = "local owner = redis.call('HGET', KEYS[1], 'owner')"
# What a holder finds in place of its record, and is none, has taken its place: it writes the truth.
_OWNER_OR_REPLACED = """
local owner = redis.pcall('HGET', KEYS[1], 'owner')
if type(owner) == 'table' then
  if not string.find(owner.err, 'WRONGTYPE', 1, true) then return owner end
  redis.call('DEL', KEYS[1])
  owner = false
end
"""
# ARGV: fingerprint of version 1, of version 2, identities, milliseconds of a flight, and of its lease.
_BEGIN_FLIGHT = f"""
redis.call('HSET', KEYS[1], 'owner', ARGV[6], 'state', 'flight', 'fingerprint', ARGV[1],
  'status', 0, 'answer', '', 'version', {RECORD_VERSION}, 'fingerprint_2', ARGV[2], 'identities', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('SET', KEYS[2], ARGV[6], 'PX', ARGV[5])
"""
FOUND = optional(row(*(optional(text),) * 6, integer))
BEGIN = Script.of(
    _MINE
    + _RELEASED
    + _OWNER
    + """
local function foreign(theirs)
  if not theirs or theirs == '' or ARGV[3] == '' then return false end
  for identity in string.gmatch(ARGV[3], '%S+') do
    if string.find(' ' .. theirs .. ' ', ' ' .. identity .. ' ', 1, true) then return false end
  end
  return true
end
if released then return false end
if owner then
  local found = redis.call('HMGET', KEYS[1], 'state', 'fingerprint', 'status', 'answer', 'fingerprint_2',
    'identities')
  if found[1] ~= 'flight' or not mine(owner, 6) then
    local leased = redis.call('EXISTS', KEYS[2])
    if not foreign(found[6]) or (found[1] == 'flight' and leased == 1) then
      found[7] = leased
      return found
    end
    redis.call('DEL', KEYS[1], KEYS[2])
  end
end
"""
    + _BEGIN_FLIGHT
    + "return false",
    FOUND,
)
RENEW = Script.of(
    _MINE
    + _RELEASED
    + "if released then return 0 end"
    + _OWNER_OR_REPLACED
    + """
if owner and not mine(owner, 6) then return -1 end
if owner and redis.call('HGET', KEYS[1], 'state') ~= 'flight' then return 0 end
"""
    + _BEGIN_FLIGHT
    + "return 1",
    integer,
)
# ARGV: as above, but milliseconds of the record, then state, status and answer.
SETTLE = Script.of(
    _MINE
    + _OWNER_OR_REPLACED
    + f"""
if owner and not mine(owner, 8) then return -1 end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'owner', ARGV[8], 'state', ARGV[5], 'fingerprint', ARGV[1], 'status', ARGV[6],
  'answer', ARGV[7], 'version', {RECORD_VERSION}, 'fingerprint_2', ARGV[2], 'identities', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
""",
    integer,
)
# ARGV: milliseconds in which a script that begins the flight, and was not answered, may still run; or 0.
RELEASE = Script.of(
    _MINE
    + _OWNER_OR_REPLACED
    + """
if ARGV[1] ~= '0' then redis.call('SET', KEYS[3], table.concat(ARGV, ' ', 2), 'PX', ARGV[1]) end
if owner and mine(owner, 2) and redis.call('HGET', KEYS[1], 'state') == 'flight' then
  redis.call('DEL', KEYS[1], KEYS[2])
end
return 1
""",
    integer,
)
