-- One transaction of an application on the table of tests/bench/osc.py: an update of a plain column and
-- one of an indexed column. sysbench keeps the rate.
sysbench.cmdline.options = {
  rows = {"rows of the table", 1000},
  text_key = {"the key is (tenant, no)", false},
}

local con

function thread_init()
  con = sysbench.sql.driver():connect()
end

function thread_done()
  con:disconnect()
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
  con:query("BEGIN")
  con:query("UPDATE t SET c = '" .. sysbench.rand.string("###########") .. "' WHERE " .. where(id))
  con:query("UPDATE t SET k = k + 1 WHERE " .. where(other))
  con:query("COMMIT")
end
