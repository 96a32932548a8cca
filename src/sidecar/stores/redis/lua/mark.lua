#!lua
-- Moves a mark, and says who has it now: a server that was not asked before may lack what the last one had.
-- KEYS[1] a mark
-- ARGV[1] mark   ARGV[2] how long it is kept (ms)
-- RETURNS the mark that stood there before (nil: none), the run id of the server (nil: it does not tell)

local before = redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2], "GET")
-- One that came late, as its script was not known here, takes nothing back.
if before and before + 0 > ARGV[1] + 0 then redis.call("SET", KEYS[1], before, "PX", ARGV[2]) end
-- Asked after the write, so that who may not ask still moves the mark.
local told = redis.pcall("INFO", "server")
return {before, type(told) == "string" and string.match(told, "run_id:(%x+)") or false}
