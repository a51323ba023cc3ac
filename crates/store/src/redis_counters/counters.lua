-- What a customer does on credits, counted for all servers. The rule is that of
-- `byok_domain::limits`: here is no more of it than the counts and whether the call is one of them.
-- What the caller is told is made of these counts there.
--
-- KEYS  what was used; the calls under way, each with the time at which its lease ends
-- ARGV  what to do; now, in ms, or '' for the time of this Redis; ms of a lease; then
--       begin: the call, and the limits ('' where there is none)
--       end: the call, and its tokens
--       renew: the calls
local used, under_way = KEYS[1], KEYS[2]
local action, now, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

if action == 'renew' then
  for i = 4, #ARGV do
    redis.call('ZADD', under_way, 'XX', now + lease, ARGV[i])
  end
  redis.call('PEXPIRE', under_way, lease)
  return {}
end

local kept = redis.call('HMGET', used, 'minute', 'requests', 'day', 'tokens')
local minute, requests = tonumber(kept[1] or 0), tonumber(kept[2] or 0)
local day, tokens = tonumber(kept[3] or 0), tonumber(kept[4] or 0)
if math.abs(now - minute) >= 60000 then
  requests = 0
end
local today = math.floor(now / 86400000)
if day ~= today and day ~= math.floor((now + 60000) / 86400000) then
  day, tokens = today, 0
end

local counts = {}
if action == 'begin' then
  redis.call('ZREMRANGEBYSCORE', under_way, '-inf', now)
  local running = redis.call('ZCARD', under_way)
  counts = { now, minute, requests, day, tokens, running }
  local function room(count, most)
    return most == '' or count < tonumber(most)
  end
  if room(requests, ARGV[5]) and room(tokens, ARGV[6]) and room(running, ARGV[7]) then
    if requests == 0 then
      minute = now
    end
    requests = requests + 1
    redis.call('ZADD', under_way, now + lease, ARGV[4])
    redis.call('PEXPIRE', under_way, lease)
  end
else
  redis.call('ZREM', under_way, ARGV[4])
  -- As far as a number of Lua's counts by ones.
  tokens = math.min(tokens + tonumber(ARGV[5]), 2 ^ 53)
end

redis.call('HSET', used, 'minute', minute, 'requests', requests, 'day', day, 'tokens', tokens)
-- Then minute and day are over, and there is nothing to remember. What is over is decided above:
-- a minute more, so that the key is never gone before.
local over = minute + 60000
if tokens > 0 then
  over = math.max(over, (day + 1) * 86400000)
end
redis.call('PEXPIRE', used, over - now + 60000)
return counts
