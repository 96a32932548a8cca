#!lua
-- Holds an amount on every counter, or on none; of a wanted output as much as all enforced claims have room for.
-- KEYS[1] hold record   KEYS[2] index of live holds   KEYS[3..] counters, one a claim, all different
-- ARGV[1] lease (ms)   ARGV[2] wanted output (tokens)   ARGV[3] least output (tokens)   ARGV[4] step of output (tokens)
-- ARGV[5..] claims, six each: kind (sliding | fixed | calendar | concurrency), window (slot length, ms; calendar: starts of
--   windows, ms since the epoch, ascending, joined by ","; concurrency: 0), max (units), enforced (1 | 0), amount (units),
--   units for each token of output (may be a fraction)
-- RETURNS words in one string (clients read a string faster than a list, and an integer near 2^53 off by one):
--   1, output granted (tokens), four a claim: used (units), resetMs, exceeded (1 | 0), retryAfterMs (-1: it never fits) held
--   | 0, 0, the same four: refused, nothing held | -1: the hold was given up before it came

local slidingSlots, marginMs, concurrencyTtlMs, unitsMax = 16, 60000, "3660000", 9007199254740991
local call, format, match = redis.call, string.format, string.match
local ceil, floor, max, min = math.ceil, math.floor, math.max, math.min
local time = call("TIME")
local now = time[1] * 1000 + floor(time[2] / 1000)
-- Commands are given numbers as texts: Redis takes half a microsecond to make one of a number.
local nowText, leaseEnds = format("%d", now), format("%d", now + ARGV[1])

-- Asked again under the same id: the first answer stands in the record, before the charges.
local record = call("GET", KEYS[1])
if record == "released" then return "-1" end
if record then return "1 " .. match(record, "^[^|]*") end

-- What the slots from number first on hold together, the oldest of them that holds anything, and the names of those before.
local function read(key, first)
  local used, oldest, past = 0, false, false
  local fields = call("HGETALL", key)
  for i = 1, #fields, 2 do
    -- Arithmetic turns the words into numbers; tonumber would cost a call for each.
    local slot, units = fields[i] + 0, fields[i + 1] + 0
    if slot < first then
      past = past or {}
      past[#past + 1] = fields[i]
    else
      used = used + units
      if units > 0 and (not oldest or slot < oldest) then oldest = slot end
    end
  end
  return min(used, unitsMax), oldest, past
end

-- The slot with which, oldest first, so many surplus units have gone.
local function slotThatFrees(key, first, surplus)
  local slots, fields = {}, call("HGETALL", key)
  for i = 1, #fields, 2 do
    local slot = tonumber(fields[i])
    if slot >= first then slots[#slots + 1] = {slot, tonumber(fields[i + 1])} end
  end
  table.sort(slots, function(a, b) return a[1] < b[1] end)
  local last = first
  for _, slot in ipairs(slots) do
    last, surplus = slot[1], surplus - slot[2]
    if surplus <= 0 then break end
  end
  return last
end

-- Start (a text) and end of the calendar window around now; before the first and after the last start the nearest known one.
local function calendarWindow(starts)
  -- The second one, where the sidecar's clock is about right.
  local from, to = match(starts, "^%d+,(%d+),(%d+)")
  if from and from + 0 <= now and to + 0 > now then return from, to + 0 end
  local length = 0
  from, to = nil, nil
  for word in string.gmatch(starts, "%d+") do
    local start = tonumber(word)
    if from then length = start - from end
    if from and start > now then
      to = start
      break
    end
    from = start
  end
  return format("%d", from), to or max(from + length, now + 1)
end

-- In use now; holds whose lease has ended are given back first. The member "used" has minus the units in use as its score.
local function inUse(key)
  local units, dead = 0 - (call("ZSCORE", key, "used") or 0), call("ZRANGEBYSCORE", key, "(0", nowText)
  if #dead > 0 then
    for _, member in ipairs(dead) do units = units - match(member, "^%d+") end
    call("ZREMRANGEBYSCORE", key, "(0", nowText)
    call("ZADD", key, -units, "used")
  end
  return units
end

-- A claim with what its counter holds now.
local function look(key, at)
  local kind = ARGV[at]
  -- All fields at once: a table that grows is made anew each time.
  local claim = {kind = kind, key = key, max = ARGV[at + 2] + 0, enforced = ARGV[at + 3] == "1",
    certain = ARGV[at + 4] + 0, perOutput = ARGV[at + 5] + 0, used = 0, oldest = false, past = false, slotText = "0",
    slotMs = 0, first = 0, ends = 0, resetMs = 0, amount = 0, exceeded = 0, retryMs = 0}
  if kind == "concurrency" then
    claim.used = inUse(key)
  elseif kind == "calendar" then
    claim.slotText, claim.ends = calendarWindow(ARGV[at + 1])
    claim.used, claim.oldest, claim.past = read(key, claim.slotText + 0)
    claim.resetMs = claim.ends - now
  else
    local live = kind == "sliding" and slidingSlots + 1 or 1
    claim.slotMs = ARGV[at + 1] + 0
    local slot = floor(now / claim.slotMs)
    claim.slotText = format("%d", slot)
    claim.ends, claim.first = (slot + live) * claim.slotMs, slot - live + 1
    claim.used, claim.oldest, claim.past = read(key, claim.first)
    if kind == "fixed" then
      claim.resetMs = claim.ends - now
    elseif claim.oldest then
      claim.resetMs = (claim.oldest + live) * claim.slotMs - now
    end
  end
  return claim
end

-- What a claim holds for so much output.
local function amountFor(claim, output)
  return min(ceil(claim.certain + claim.perOutput * output), unitsMax)
end

-- As much of the wanted output, in whole steps, as the enforced claims have room for: at least the least one, even where that
-- is too much. Then the claims say so.
local function grant(claims, wanted, least, step)
  least = ceil(least / step) * step
  local granted = max(floor(wanted / step) * step, least)
  for _, claim in ipairs(claims) do
    local room = claim.max - claim.used
    if claim.enforced and granted > least and amountFor(claim, granted) > room then
      granted = max(floor((room - claim.certain) / claim.perOutput / step) * step, least)
      -- A price is a fraction: the division can be off by one.
      while granted > least and amountFor(claim, granted) > room do granted = granted - step end
    end
  end
  return granted
end

-- Whether the amount is too much, and when it would fit.
local function judge(claim)
  local surplus = claim.amount - (claim.max - claim.used)
  if surplus <= 0 then return end
  claim.exceeded, claim.retryMs = 1, claim.resetMs
  if claim.amount > claim.max then
    claim.retryMs = -1
  elseif claim.kind == "sliding" then
    claim.retryMs = (slotThatFrees(claim.key, claim.first, surplus) + slidingSlots + 1) * claim.slotMs - now
  end
end

-- Charges a claim; what it adds is cut where the counter would pass 2^53 - 1 (unenforced claims only). Answers how much: a text.
local function charge(claim)
  local amount = min(claim.amount, unitsMax - claim.used)
  local amountText = format("%d", amount)
  claim.used = claim.used + amount
  if claim.kind == "concurrency" then
    call("ZADD", claim.key, format("%d", -claim.used), "used", leaseEnds, amountText .. "@" .. KEYS[1])
    call("PEXPIRE", claim.key, concurrencyTtlMs)
    return amountText
  end
  if claim.kind == "sliding" and not claim.oldest and amount > 0 then claim.resetMs = claim.ends - now end
  local units = call("HINCRBY", claim.key, claim.slotText, amountText)
  -- Only now: a key that loses its last slot loses its end, too.
  if claim.past then call("HDEL", claim.key, unpack(claim.past)) end
  -- The first units of a slot move the end of the key on, so that it outlives the slot; never back: of a clock that was set back
  -- there are later slots.
  if not claim.oldest then
    call("PEXPIREAT", claim.key, format("%d", claim.ends + marginMs))
  elseif units == amount then
    call("PEXPIREAT", claim.key, format("%d", claim.ends + marginMs), "GT")
  end
  return amountText
end

local claims, admitted = {}, 1
for i = 1, #KEYS - 2 do claims[i] = look(KEYS[i + 2], i * 6 - 1) end
local granted = grant(claims, tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]))
for _, claim in ipairs(claims) do
  claim.amount = amountFor(claim, granted)
  judge(claim)
  if claim.enforced and claim.exceeded == 1 then admitted = 0 end
end

-- The record: the answer, then the charges, four words each.
local answers, charges = {format("%d", admitted * granted)}, {}
for i, claim in ipairs(claims) do
  if admitted == 1 then
    charges[i] = claim.kind .. " " .. claim.key .. " " .. claim.slotText .. " " .. charge(claim)
  end
  answers[i + 1] = format("%d %d %d %d", claim.used, claim.resetMs, claim.exceeded, claim.retryMs)
end
local answer = table.concat(answers, " ")
if admitted == 0 then return "0 " .. answer end

call("SET", KEYS[1], answer .. "|" .. table.concat(charges, " "), "PX", ARGV[1])
call("ZREMRANGEBYSCORE", KEYS[2], "-inf", nowText)
call("ZADD", KEYS[2], leaseEnds, KEYS[1])
return "1 " .. answer
