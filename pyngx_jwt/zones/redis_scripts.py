"""What one step is on a Redis or Valkey server: scripts, each of which runs as a whole.

Times are the server's, so that clocks of machines need not agree.  Every script answers
something else than nil, which would look like a failure.
"""

from __future__ import annotations

# KEYS: leaky buckets.  ARGV: rate and burst of each, in thousandths of a request.  Counts the
# request in all of them, or in none if one refuses it: 0 or the number of that one, and the
# excesses.  A bucket that has run empty is forgotten (rules.pour has the same arithmetic).
TAKE_RATES = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local refused, excesses, states = 0, {}, {}
for i, key in ipairs(KEYS) do
    local rate, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local excess, last = 0, now
    local state = redis.call('GET', key)
    if state then
        local before, when = state:match('(%d+) (%d+)')
        local passed = now - when
        if passed < 0 then passed = passed < -60000 and 1 or 0 end
        excess = math.max(before - math.floor(rate * passed / 1000) + 1000, 0)
        last = passed > 0 and now or when
    end
    excesses[i] = excess
    states[i] = string.format('%d %d', excess, last)
    if excess > burst and refused == 0 then refused = i end
end
if refused == 0 then
    for i, key in ipairs(KEYS) do
        local rate = tonumber(ARGV[2 * i - 1])
        local empty = math.ceil((excesses[i] + 1000) * 1000 / rate) + 1
        redis.call('SET', key, states[i], 'PX', empty)
    end
end
return {refused, unpack(excesses)}
"""

# KEYS: counts of requests in progress by owner.  ARGV: the owner, the prefix of owners that live,
# and the limit of each key.  Enters all of them and returns 0, or the number of one that is full.
ENTER = """
local owner, living = ARGV[1], ARGV[2]
for i, key in ipairs(KEYS) do
    local limit, sum = tonumber(ARGV[i + 2]), 0
    local counts = redis.call('HGETALL', key)
    for j = 2, #counts, 2 do sum = sum + counts[j] end
    if sum >= limit then
        sum = 0
        for j = 1, #counts, 2 do
            if counts[j] == owner or redis.call('EXISTS', living .. counts[j]) == 1 then
                sum = sum + counts[j + 1]
            else
                redis.call('HDEL', key, counts[j])
            end
        end
        if sum >= limit then return i end
    end
end
for _, key in ipairs(KEYS) do
    redis.call('HINCRBY', key, owner, 1)
    redis.call('EXPIRE', key, 604800)
end
return 0
"""

# KEYS: counts.  ARGV: the owner, and what each key counts of it from now on.
SET_COUNTS = """
for i, key in ipairs(KEYS) do
    if tonumber(ARGV[i + 1]) > 0 then
        redis.call('HSET', key, ARGV[1], ARGV[i + 1])
        redis.call('EXPIRE', key, 604800)
    else
        redis.call('HDEL', key, ARGV[1])
    end
end
return 1
"""

LEAVE = """
for _, key in ipairs(KEYS) do
    if redis.call('HINCRBY', key, ARGV[1], -1) <= 0 then redis.call('HDEL', key, ARGV[1]) end
end
return 1
"""

# KEYS: a map and the log of its changes.  ARGV: how many changes are kept, then key and record.
PUBLISH = """
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'k', ARGV[2], 'r', ARGV[3])
return 1
"""

# The same, unless the map has something for the key.
OFFER = """
if redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3]) == 1 then
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'k', ARGV[2], 'r', ARGV[3])
end
return 1
"""

# KEYS: a map.  ARGV: milliseconds since the epoch, then keys: forgets those that have expired.
# A record begins with the time, in decimal digits of a fixed length; 0 is never.
EXPIRE = """
for i = 2, #ARGV do
    local record = redis.call('HGET', KEYS[1], ARGV[i])
    if record then
        local expires = tonumber(record:sub(1, 14))
        if expires > 0 and expires <= tonumber(ARGV[1]) then
            redis.call('HDEL', KEYS[1], ARGV[i])
        end
    end
end
return 1
"""
