-- The load: requests built once, one for each key, sent in turn. What came of it goes to standard output as one line.
local requests, turn = {}, 0
-- Mean pause before each request, in milliseconds; wrk takes whole ones.
local pause = tonumber(os.getenv("BENCH_PAUSE") or "0")

function init()
   local body
   local file = os.getenv("BENCH_BODY")
   if file ~= "" then
      local handle = assert(io.open(file, "rb"))
      body = handle:read("*a")
      handle:close()
   end
   for key in os.getenv("BENCH_KEYS"):gmatch("%S+") do
      local headers = { ["X-API-Key"] = key }
      if body then headers["Content-Type"] = "application/json" end
      requests[#requests + 1] = wrk.format(os.getenv("BENCH_METHOD"), os.getenv("BENCH_PATH"), headers, body)
   end
end

function request()
   turn = turn % #requests + 1
   return requests[turn]
end

if pause > 0 then
   function delay()
      return math.floor(pause + math.random())
   end
end

function done(summary, latency)
   local e = summary.errors
   print(string.format("bench %d %d %d %d %d %d %d", summary.requests, summary.duration, summary.bytes, e.status,
      e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
