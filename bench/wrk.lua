-- Asks with the tokens of a file in turn (none if it is empty), beginning after so many of them,
-- and counts the answers.

local requests, next_request = {}, 0

function init(arguments)
  for token in io.lines(arguments[1]) do
    wrk.headers["Authorization"] = "Bearer " .. token
    requests[#requests + 1] = wrk.format()
  end
  if #requests == 0 then requests[1] = wrk.format() end
  next_request = tonumber(arguments[2])
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

function done(summary)
  local errors = summary.errors
  local failures = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("answers %d failures %d\n", summary.requests, failures))
end
