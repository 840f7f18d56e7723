-- wrk sends varying events with this: POST /v1/transactions, so many events a request.
--
--   wrk -s events.lua URL -- EVENTS_A_REQUEST
--
-- The requests are made beforehand, so that wrk spends its time on sending. The last line of the
-- output is JSON.
local EVENT = '{"InvoiceNo":"%d","StockCode":"%d","Description":"WHITE HANGING HEART T-LIGHT",'
  .. '"Quantity":%d,"InvoiceDate":"2010-12-01 08:26:00","UnitPrice":%d.%d,"CustomerID":"%d",'
  .. '"Country":"United Kingdom","LineNo":%d}'

local requests, at, next_seed = {}, 0, 1

local function event(line)
  return string.format(EVENT, 536365 + math.random(25000), 10000 + math.random(80000),
    math.random(50), math.random(20), 9 + math.random(90), 12346 + math.random(6000), line)
end

function setup(thread)
  thread:set("seed", next_seed)
  next_seed = next_seed + 1
end

function init(arguments)
  local events = tonumber(arguments[1])
  math.randomseed(seed)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = events == 1 and "application/json" or "application/x-ndjson"
  for number = 1, (events == 1 and 4096 or 64) do
    local lines = {}
    for line = 1, events do lines[line] = event(line) end
    requests[number] = wrk.format(nil, nil, nil, table.concat(lines, "\n"))
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%f,"not_2xx":%d,"failed":%d,"p50_ms":%f,"p99_ms":%f}',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
