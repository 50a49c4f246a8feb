-- Sends the requests of the file named by REQUESTS once each, in their order, and prints how many and in how many
-- seconds. They are whole, as bytes, each ended by a zero byte.
local ffi = require("ffi")
ffi.cdef([[
  typedef struct { long seconds; long nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]])

local function now()
  local read = ffi.new("moment")
  ffi.C.clock_gettime(1, read)
  return tonumber(read.seconds) + tonumber(read.nanoseconds) / 1e9
end

local requests, sent, started, asked = {}, 0, nil, false

function init()
  local file = assert(io.open(os.getenv("REQUESTS"), "rb"))
  for request in file:read("*a"):gmatch("([^%z]+)") do
    requests[#requests + 1] = request
  end
  file:close()
end

function request()
  -- wrk asks once before it connects, only to look at what it would send.
  if not asked then
    asked = true
    return requests[1]
  end
  started = started or now()
  if sent == #requests then
    -- Connections that are still under way are not waited for: they are as many as at the start, before any answer.
    print(string.format("sent %d %.6f", sent, now() - started))
    io.stdout:flush()
    os.exit(0)
  end
  sent = sent + 1
  return requests[sent]
end
