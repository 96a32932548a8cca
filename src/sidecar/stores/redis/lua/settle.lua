#!lua flags=allow-oom
-- Corrects the amounts of a hold to the actual ones and ends it: who deletes the record settles, everybody else comes late.
-- Counters stand in the record; on a Cluster they share the hash tag of KEYS[1].
-- KEYS[1] hold record   KEYS[2] index of live holds
-- ARGV[1..] actual amounts (units), in the order of the claims
-- RETURNS 1 settled | 0 the hold was gone | -1 wrong number of amounts, nothing changed

local unitsMax = 9007199254740991
local record = redis.call("GET", KEYS[1])
if not record or record == "released" then return 0 end

local words = {}
for word in string.gmatch(string.match(record, "|(.*)$"), "%S+") do words[#words + 1] = word end
if #words ~= #ARGV * 4 then return -1 end

redis.call("DEL", KEYS[1])
redis.call("ZREM", KEYS[2], KEYS[1])
for i, actual in ipairs(ARGV) do
  local at = i * 4 - 3
  local kind, key, slot, held = words[at], words[at + 1], words[at + 2], words[at + 3]
  if kind == "concurrency" then
    -- Already gone where its lease had ended: then whoever came next gave it back.
    if redis.call("ZREM", key, held .. "@" .. KEYS[1]) == 1 then redis.call("ZINCRBY", key, held, "used") end
  elseif actual ~= held then
    -- A slot that is past is not made anew: nobody counts it any more.
    local units = redis.call("HGET", key, slot)
    if units then
      local corrected = units + (actual - held)
      redis.call("HSET", key, slot, string.format("%d", math.max(0, math.min(corrected, unitsMax))))
    end
  end
end
return 1
