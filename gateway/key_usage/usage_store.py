"""What all replicas know of keys, in one hash of Redis. The digest is the field, JSON the value.

The name has a version: a release that stores something else uses another, so that both work side by side.
"""

import json
from collections.abc import Mapping
from typing import Final

from gateway.key_usage.known_key import FORMER_SECONDS, MOST_ADDRESSES, KnownKey, parse_known
from gateway.redis.script import Script, ScriptStore

_KEY: Final = "key-usage:v1"
_BATCH: Final = 100
_KEPT_SECONDS: Final = 120 * 86_400

# ARGV: most addresses, seconds to keep the hash, then digest and JSON of each key.
_MERGE = Script.of("""
local most = tonumber(ARGV[1])
local function merge(new, old)
  if old.consumer ~= new.consumer then return end
  new.seen_at = math.min(new.seen_at, old.seen_at)
  new.configured_at = math.max(new.configured_at, old.configured_at)
  if old.first_used > 0 and (new.first_used == 0 or old.first_used < new.first_used) then
    new.first_used = old.first_used
  end
  new.last_used = math.max(new.last_used, old.last_used)
  for address, at in pairs(old.addresses) do
    new.addresses[address] = math.max(at, new.addresses[address] or 0)
  end
  local all = {}
  for address, at in pairs(new.addresses) do all[#all + 1] = {at, address} end
  table.sort(all, function(a, b) return a[1] > b[1] end)
  new.addresses = {}
  for j = 1, math.min(#all, most) do new.addresses[all[j][2]] = all[j][1] end
end
for i = 3, #ARGV, 2 do
  local new = cjson.decode(ARGV[i + 1])
  local text = redis.call('HGET', KEYS[1], ARGV[i])
  local good, old = pcall(cjson.decode, text or '')
  if good then pcall(merge, new, old) end  -- what has another form is replaced
  redis.call('HSET', KEYS[1], ARGV[i], cjson.encode(new))
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
""")
# ARGV: cursor, how many.
_PAGE = Script.of("return redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])")
_DROP = Script.of("return redis.call('HDEL', KEYS[1], unpack(ARGV))")


class UsageStore:
    """Everything raises `StoreUnavailable`."""

    def __init__(self, store: ScriptStore) -> None:
        self._store = store

    async def merge(self, known: Mapping[str, KnownKey]) -> None:
        """Add what this replica knows to what is there, some keys at a time."""
        items = list(known.items())
        for at in range(0, len(items), _BATCH):
            arguments: list[bytes | str | int] = [MOST_ADDRESSES, _KEPT_SECONDS]
            for digest, each in items[at : at + _BATCH]:
                arguments += [digest, json.dumps(each.as_json())]
            await self._store.run(_MERGE, [_KEY], arguments)

    async def read(self, now: float) -> dict[str, KnownKey]:
        """All keys, by hex digest. Those that no replica had for 30 days are dropped."""
        found: dict[str, KnownKey] = {}
        old: list[bytes | str | int] = []
        cursor = "0"
        while True:
            answer = await self._store.run(_PAGE, [_KEY], [cursor, _BATCH])
            cursor, pairs = answer[0].decode(), answer[1]
            for field, text in zip(pairs[::2], pairs[1::2], strict=True):
                known = _parse(text)
                if known is None or now - known.configured_at >= FORMER_SECONDS:
                    old.append(field)
                else:
                    found[field.decode("ascii", "replace")] = known
            if cursor == "0":
                break
        for at in range(0, len(old), _BATCH):
            await self._store.run(_DROP, [_KEY], old[at : at + _BATCH])
        return found


def _parse(text: bytes) -> KnownKey | None:
    try:
        return parse_known(json.loads(text))
    except ValueError:
        return None
