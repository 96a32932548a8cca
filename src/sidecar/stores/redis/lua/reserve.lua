#!lua
-- Holds an amount on every counter, or on none.
-- KEYS[1] hold record   KEYS[2] index of live holds   KEYS[3..] counters, one a claim, all different
-- ARGV[1] lease (ms)   ARGV[2..] claims, five each: kind (sliding | fixed | calendar | concurrency), window (slot length, ms;
--   calendar: starts of windows, ms since the epoch, ascending, joined by ","; concurrency: 0), max (units), amount (units),
--   enforced (1 | 0)
-- RETURNS {1, four a claim: used (units), resetMs, exceeded (1 | 0), retryAfterMs} held · {0, the same} refused, nothing
--   held · {-1} the hold was given up before it came. retryAfterMs -1: the amount never fits.

local slidingSlots, marginMs, concurrencyTtlMs, unitsMax = 16, 60000, 3660000, 9007199254740991
local call = redis.call
local time = call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Asked again under the same id: the first answer stands in the record.
local record = call("GET", KEYS[1])
if record == "released" then return {-1} end
if record then
  local answer, column = {1}, 0
  for word in string.gmatch(record, "%S+") do
    column = column % 8 + 1
    if column > 4 then answer[#answer + 1] = tonumber(word) end
  end
  return answer
end

-- What the slots from `first` on hold together, the oldest of them that holds anything, and the names of those before.
local function read(key, first)
  local used, oldest, past = 0, nil, {}
  local fields = call("HGETALL", key)
  for i = 1, #fields, 2 do
    -- Arithmetic turns the words into numbers; tonumber would cost a call for each.
    local slot, units = fields[i] + 0, fields[i + 1] + 0
    if slot < first then
      past[#past + 1] = fields[i]
    else
      used = used + units
      if units > 0 and (not oldest or slot < oldest) then oldest = slot end
    end
  end
  return math.min(used, unitsMax), oldest, past
end

-- The slot with which, oldest first, `surplus` units have gone.
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

-- Start and end of the calendar window around now; before the first and after the last start the nearest known one stands.
local function calendarWindow(starts)
  local from, to, length = nil, nil, 0
  for word in string.gmatch(starts, "%d+") do
    local start = tonumber(word)
    if from then length = start - from end
    if from and start > now then
      to = start
      break
    end
    from = start
  end
  return from, to or math.max(from + length, now + 1)
end

-- In use now; holds whose lease has ended are given back first. The member "used" has minus the units in use as its score.
local function inUse(key)
  local units, dead = -(call("ZSCORE", key, "used") or 0), call("ZRANGEBYSCORE", key, "(0", now)
  if #dead > 0 then
    for _, member in ipairs(dead) do units = units - string.match(member, "^%d+") end
    call("ZREMRANGEBYSCORE", key, "(0", now)
    call("ZADD", key, -units, "used")
  end
  return units
end

-- How a claim stands before anything is held.
local function judge(key, at)
  local kind, max, amount = ARGV[at], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local claim = {kind = kind, key = key, amount = amount, slot = 0, resetMs = 0, exceeded = 0, retryMs = 0}
  if kind == "concurrency" then
    claim.used = inUse(key)
  elseif kind == "calendar" then
    claim.slot, claim.ends = calendarWindow(ARGV[at + 1])
    claim.used, claim.oldest, claim.past = read(key, claim.slot)
    claim.resetMs = claim.ends - now
  else
    local slotMs = tonumber(ARGV[at + 1])
    local live = kind == "sliding" and slidingSlots + 1 or 1
    claim.slot = math.floor(now / slotMs)
    claim.ends = (claim.slot + live) * slotMs
    claim.first = claim.slot - live + 1
    claim.used, claim.oldest, claim.past = read(key, claim.first)
    if kind == "fixed" or claim.oldest then claim.resetMs = claim.ends - now end
    if kind == "sliding" and claim.oldest then claim.resetMs = (claim.oldest + live) * slotMs - now end
  end
  local surplus = amount - (max - claim.used)
  if surplus > 0 then
    claim.exceeded, claim.retryMs = 1, claim.resetMs
    if amount > max then
      claim.retryMs = -1
    elseif kind == "sliding" then
      claim.retryMs = (slotThatFrees(key, claim.first, surplus) + slidingSlots + 1) * tonumber(ARGV[at + 1]) - now
    end
  end
  return claim
end

-- Charges a claim; what it adds is cut where the counter would pass 2^53 - 1 (unenforced claims only).
local function charge(claim)
  local amount = math.min(claim.amount, unitsMax - claim.used)
  claim.amount, claim.used = amount, claim.used + amount
  if claim.kind == "concurrency" then
    call("ZADD", claim.key, -claim.used, "used", now + ARGV[1], string.format("%.0f@%s", amount, KEYS[1]))
    call("PEXPIRE", claim.key, concurrencyTtlMs)
    return
  end
  if claim.kind == "sliding" and not claim.oldest and amount > 0 then claim.resetMs = claim.ends - now end
  if #claim.past > 0 then call("HDEL", claim.key, unpack(claim.past)) end
  -- The first units of a slot set the end of the key: it outlives that slot, and later slots only move it on.
  if call("HINCRBY", claim.key, claim.slot, amount) == amount then
    call("PEXPIREAT", claim.key, claim.ends + marginMs)
  end
end

local claims, admitted = {}, 1
for i = 1, #KEYS - 2 do
  claims[i] = judge(KEYS[i + 2], i * 5 - 3)
  if claims[i].exceeded == 1 and ARGV[i * 5 + 1] == "1" then admitted = 0 end
end

-- The record: eight words a claim. Amounts need format: concatenation prints 14 digits.
local answer, words = {admitted}, {}
for i, claim in ipairs(claims) do
  if admitted == 1 then
    charge(claim)
    words[i] = string.format("%s %s %.0f %.0f %.0f %.0f %d %.0f", claim.kind, claim.key, claim.slot, claim.amount,
      claim.used, claim.resetMs, claim.exceeded, claim.retryMs)
  end
  local at = i * 4 - 2
  answer[at], answer[at + 1], answer[at + 2], answer[at + 3] = claim.used, claim.resetMs, claim.exceeded, claim.retryMs
end
if admitted == 1 then
  call("SET", KEYS[1], table.concat(words, " "), "PX", ARGV[1])
  call("ZREMRANGEBYSCORE", KEYS[2], "-inf", now)
  call("ZADD", KEYS[2], now + ARGV[1], KEYS[1])
end
return answer
