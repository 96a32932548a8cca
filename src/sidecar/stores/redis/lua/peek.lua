#!lua flags=no-writes,allow-oom
-- Reads without changing: one counter, or how many holds are live.
-- KEYS[1] a counter or the index of live holds
-- ARGV[1] kind (sliding | fixed | calendar | concurrency | holds)   ARGV[2] window (slot length, ms; calendar: starts of windows,
--   ms since the epoch, ascending, joined by ","; else 0)
-- RETURNS units charged and held, or the number of holds, as a string: clients may read an integer near 2^53 off by one

local slidingSlots, unitsMax = 16, 9007199254740991
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if ARGV[1] == "holds" then
  return tostring(redis.call("ZCOUNT", KEYS[1], string.format("(%d", now), "+inf"))
end

if ARGV[1] == "concurrency" then
  local units = 0 - (redis.call("ZSCORE", KEYS[1], "used") or 0)
  for _, member in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "(0", now)) do
    units = units - string.match(member, "^%d+")
  end
  return string.format("%d", units)
end

local first = 0
if ARGV[1] == "calendar" then
  for start in string.gmatch(ARGV[2], "%d+") do
    if first == 0 or tonumber(start) <= now then first = tonumber(start) end
  end
else
  first = math.floor(now / ARGV[2])
  if ARGV[1] == "sliding" then first = first - slidingSlots end
end
local used, fields = 0, redis.call("HGETALL", KEYS[1])
for i = 1, #fields, 2 do
  if tonumber(fields[i]) >= first then used = used + fields[i + 1] end
end
return string.format("%d", math.min(used, unitsMax))
