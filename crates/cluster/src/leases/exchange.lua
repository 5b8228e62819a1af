-- Settles what a node took on credit, takes back what it does not need, and grants tokens.
-- KEYS[1]: the counter. ARGV: rule, limit, span, extra, charge, give_back, want, must.
-- Answers: tokens granted, and microseconds until there are more (0: there are now).
-- The time is this server's, so that all nodes go by one clock.
local rule, limit, span, extra = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local charge, back = tonumber(ARGV[5]), tonumber(ARGV[6])
local want, must = tonumber(ARGV[7]), tonumber(ARGV[8])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Never all that is left to one node: at the tight end of a limit shares become small, so that
-- others do not wait for what one holds.
local function share(free)
  free = math.floor(free)
  if want < 1 or free < 1 then return 0 end
  local grant = math.min(want, math.max(1, math.floor(free / 2)))
  if must > grant and free >= must then grant = must end
  return grant
end

local granted, wait = 0, 0

if rule == 'bucket' then
  -- span: the window; extra: the burst. Kept: calls in use, and since when.
  local state = redis.call('HMGET', KEYS[1], 'used', 'at')
  local used, at = tonumber(state[1]) or 0, tonumber(state[2]) or now
  local rate = limit / span
  -- A clock that was set back gives nothing and takes nothing.
  used = math.max(0, used - math.max(0, now - at) * rate)
  used = math.max(0, used + charge - back)
  granted = share(extra - used)
  used = used + granted
  local need = math.max(1, must > granted and must or 1)
  local free = extra - used
  if free < need and need <= extra then
    wait = math.ceil((need - free) / rate)
  elseif need > extra then
    wait = span
  end
  redis.call('HSET', KEYS[1], 'used', string.format('%.17g', used), 'at', string.format('%.0f', now))
  local drained = math.min(math.ceil(used / rate / 1000) + 1000, 1e11)
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', drained))

elseif rule == 'window' then
  -- span: for how long a call counts. Kept: calls by part of the span.
  local grain = math.ceil(span / 32)
  local current = math.floor(now / grain)
  local parts, ids, used = {}, {}, 0
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local id, count = tonumber(all[i]), tonumber(all[i + 1])
    if (id + 1) * grain <= now - span then
      redis.call('HDEL', KEYS[1], all[i])
    else
      if id > current then
        -- The clock was set back: they count from now.
        redis.call('HDEL', KEYS[1], all[i])
        redis.call('HINCRBY', KEYS[1], string.format('%.0f', current), count)
        id = current
      end
      if parts[id] == nil then table.insert(ids, id) end
      parts[id] = (parts[id] or 0) + count
      used = used + count
    end
  end
  table.sort(ids)
  -- What is handed back was granted a moment ago.
  for i = #ids, 1, -1 do
    local part = math.min(back, parts[ids[i]])
    if part > 0 then
      parts[ids[i]] = parts[ids[i]] - part
      used = used - part
      back = back - part
      redis.call('HINCRBY', KEYS[1], string.format('%.0f', ids[i]), -part)
    end
  end
  used = used + charge
  granted = share(limit - used)
  used = used + granted
  if charge + granted > 0 then
    redis.call('HINCRBY', KEYS[1], string.format('%.0f', current), charge + granted)
    if parts[current] == nil then table.insert(ids, current) end
    parts[current] = (parts[current] or 0) + charge + granted
  end
  local need = math.max(1, must > granted and must or 1)
  local missing = need - (limit - used)
  if missing > 0 then
    wait = span
    for _, id in ipairs(ids) do
      missing = missing - parts[id]
      if missing <= 0 then
        wait = (id + 1) * grain + span - now
        break
      end
    end
  end
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((span + grain) / 1000) + 1000))

else
  -- span: milliseconds until the period ends; extra: calls that a node knows of.
  local used = math.max(tonumber(redis.call('GET', KEYS[1])) or 0, extra)
  used = math.max(0, used + charge - back)
  granted = share(limit - used)
  used = used + granted
  local need = math.max(1, must > granted and must or 1)
  if limit - used < need then wait = span * 1000 end
  redis.call('SET', KEYS[1], string.format('%.0f', used), 'PX',
    string.format('%.0f', math.max(1, span) + 86400000))
end

return { granted, string.format('%.0f', wait) }
