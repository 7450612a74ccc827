-- Sends the requests of a file in turn, beginning after so many of them, and counts the answers.
-- In the file each request stands after its length and a line feed.

local requests, next_request = {}, 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  for size in function() return file:read("*l") end do
    requests[#requests + 1] = file:read(tonumber(size))
    file:read(1)
  end
  file:close()
  next_request = tonumber(arguments[2])
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

function done(summary, latency)
  local errors = summary.errors
  local failures = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("answers %d failures %d bytes %d\n",
    summary.requests, failures, summary.bytes))
  io.write(string.format("p50 %d p99 %d p99.9 %d\n",
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
