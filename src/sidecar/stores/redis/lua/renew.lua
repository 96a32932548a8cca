#!lua flags=allow-oom
-- Prolongs the leases of live holds; never shortens one.
-- Concurrency counters stand in the records; on a Cluster they share the hash tag of KEYS[1].
-- KEYS[1] index of live holds   KEYS[2..] hold records
-- ARGV[1] lease (ms)
-- RETURNS the positions, from 1, of the holds that are gone

local concurrencyTtlMs = 3660000
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = now + ARGV[1]

local gone = {}
for i = 2, #KEYS do
  local record = redis.call("GET", KEYS[i])
  if not record or record == "released" then
    gone[#gone + 1] = i - 1
  else
    redis.call("PEXPIRE", KEYS[i], ARGV[1], "GT")
    redis.call("ZADD", KEYS[1], "XX", "GT", ends, KEYS[i])
    for kind, key, _, held in string.gmatch(string.match(record, "|(.*)$"), "(%S+) (%S+) (%S+) (%S+)") do
      if kind == "concurrency" then
        redis.call("ZADD", key, "XX", "GT", ends, held .. "@" .. KEYS[i])
        redis.call("PEXPIRE", key, concurrencyTtlMs)
      end
    end
  end
end
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
return gone
