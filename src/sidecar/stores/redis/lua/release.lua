#!lua flags=allow-oom
-- Gives a hold back as if it had never been asked for. A reserve that is still under way when its hold is given up must not
-- come into force later: ARGV[1] leaves a mark that it finds.
-- Counters stand in the record; on a Cluster they share the hash tag of KEYS[1].
-- KEYS[1] hold record   KEYS[2] index of live holds
-- ARGV[1] how long a reserve that comes late is turned away (ms; 0: not)
-- RETURNS 1 given back | 0 the hold was gone

local record = redis.call("GET", KEYS[1])
if ARGV[1] ~= "0" then
  redis.call("SET", KEYS[1], "released", "PX", ARGV[1])
elseif record and record ~= "released" then
  redis.call("DEL", KEYS[1])
end
if not record or record == "released" then return 0 end

redis.call("ZREM", KEYS[2], KEYS[1])
for kind, key, slot, held in string.gmatch(string.match(record, "|(.*)$"), "(%S+) (%S+) (%S+) (%S+)") do
  if kind == "concurrency" then
    if redis.call("ZREM", key, held .. "@" .. KEYS[1]) == 1 then redis.call("ZINCRBY", key, held, "used") end
  else
    local units = redis.call("HGET", key, slot)
    if units then redis.call("HSET", key, slot, math.max(0, units - held)) end
  end
end
return 1
