#!lua flags=allow-oom
-- Corrects what live holds hold, in the slots they were booked in; they live on. Concurrency stays as it is.
-- Counters stand in the records; on a Cluster they share the hash tag of the keys.
-- KEYS[1..] hold records
-- ARGV[1..] amounts of a hold, in the order of its claims, joined by ","
-- RETURNS the positions, from 1, of the holds that are gone; 0 in it: one had another number of amounts, and stays as it was

local unitsMax = 9007199254740991
local gone = {}
for i, name in ipairs(KEYS) do
  local record = redis.call("GET", name)
  if not record or record == "released" then
    gone[#gone + 1] = i
  else
    local answer, charges = string.match(record, "^([^|]*)|(.*)$")
    local words, amounts, parts = {}, {}, {}
    for word in string.gmatch(charges, "%S+") do words[#words + 1] = word end
    for amount in string.gmatch(ARGV[i], "%d+") do amounts[#amounts + 1] = amount end
    if #words ~= #amounts * 4 then
      gone[#gone + 1] = 0
    else
      for c, amount in ipairs(amounts) do
        local at = c * 4 - 3
        local kind, key, slot, held = words[at], words[at + 1], words[at + 2], words[at + 3]
        if kind == "concurrency" then
          amount = held
        elseif amount ~= held then
          -- A slot that is past is not made anew: nobody counts it any more.
          local units = redis.call("HGET", key, slot)
          if units then
            redis.call("HSET", key, slot, string.format("%d", math.max(0, math.min(units + (amount - held), unitsMax))))
          end
        end
        parts[c] = table.concat({kind, key, slot, amount}, " ")
      end
      redis.call("SET", name, answer .. "|" .. table.concat(parts, " "), "KEEPTTL")
    end
  end
end
return gone
