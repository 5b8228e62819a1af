-- An answer that is still valid at the first place that has one.
-- KEYS[1]: an API's marks; KEYS[2..]: places, in the order that counts. ARGV[1]: how long marks are
-- kept, in ms; then for each place how many variants may be given, and their names.
-- Answers: the count of purges now, the number of the place or 0, the answer, and for each place
-- the lists of fields that its answers vary by.
local born, count = unpack(redis.call('HMGET', KEYS[1], 'born', 'count'))
if not born or not count then
  -- New, or forgotten by the server: what was stored before this is void.
  local time = redis.call('TIME')
  count = string.format('%.0f', time[1] * 1000000 + time[2])
  born = count
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'born', born, 'count', count)
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end

-- An answer begins with a line: the count when it was asked for, and its marks.
local function is_void(head)
  local begun, marks = nil, {}
  for word in string.gmatch(head, '%S+') do
    if begun then marks[#marks + 1] = word else begun = tonumber(word) end
  end
  if not begun or tonumber(born) > begun then return true end
  if #marks == 0 then return false end
  local raised = redis.call('HMGET', KEYS[1], unpack(marks))
  for i = 1, #marks do
    if raised[i] and tonumber(raised[i]) > begun then return true end
  end
  return false
end

local lists = {}
local at = 2
for place = 2, #KEYS do
  local wanted = tonumber(ARGV[at])
  for i = at + 1, at + wanted do
    local value = redis.call('HGET', KEYS[place], ARGV[i])
    if value then
      local ends = string.find(value, '\n', 1, true)
      if ends and not is_void(string.sub(value, 1, ends - 1)) then
        return { count, tostring(place - 1), string.sub(value, ends + 1) }
      end
      redis.call('HDEL', KEYS[place], ARGV[i])
    end
  end
  at = at + wanted + 1
  lists[#lists + 1] = redis.call('HGET', KEYS[place], 'names') or ''
end
return { count, '0', '', unpack(lists) }
