-- One transaction of an application on the table of tests/bench/osc.py: an update of a plain column and
-- one of an indexed column. sysbench keeps the rate.
sysbench.cmdline.options = {
  rows = {"rows of the table", 1000},
  text_key = {"the key is (tenant, no)", false},
  trace = {"when each transaction began and what it took, to this file and the thread's number", ""},
}

local ffi = require("ffi")
ffi.cdef[[
typedef struct { long seconds; long micros; } shift_timeval;
int gettimeofday(shift_timeval *now, void *zone);
]]
local clock = ffi.new("shift_timeval")
local con
local trace

local function now()
  ffi.C.gettimeofday(clock, nil)
  return tonumber(clock.seconds) + tonumber(clock.micros) / 1e6
end

function thread_init()
  con = sysbench.sql.driver():connect()
  if sysbench.opt.trace ~= "" then
    trace = io.open(sysbench.opt.trace .. "." .. sysbench.tid, "w")
    trace:setvbuf("line")
  end
end

function thread_done()
  con:disconnect()
  if trace then
    trace:close()
  end
end

local function where(id)
  if sysbench.opt.text_key then
    return string.format("tenant = 'tenant-%d' AND no = %d", id % 50, id)
  end
  return string.format("id = %d", id)
end

function event()
  local id = sysbench.rand.uniform(1, sysbench.opt.rows)
  local other = sysbench.rand.uniform(1, sysbench.opt.rows)
  local begun = now()
  con:query("BEGIN")
  con:query("UPDATE t SET c = '" .. sysbench.rand.string("###########") .. "' WHERE " .. where(id))
  con:query("UPDATE t SET k = k + 1 WHERE " .. where(other))
  con:query("COMMIT")
  if trace then
    trace:write(string.format("%.6f %.6f\n", begun, now() - begun))
  end
end
