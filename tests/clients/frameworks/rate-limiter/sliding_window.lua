-- A sliding window: at most `limit` requests within any `window` microseconds.
-- KEYS: the requests admitted (by their moments), the log of all. ARGV: window, limit, who asks, which try it is.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - window))
local admitted = redis.call('ZCARD', KEYS[1]) < limit
if admitted then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[3] .. ':' .. ARGV[4])
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
end
redis.call('RPUSH', KEYS[2], cjson.encode({ now = string.format('%.0f', now), who = ARGV[3], admitted = admitted }))
return { admitted, limit - redis.call('ZCARD', KEYS[1]) }
