-- Raises marks: answers that have one of them and were asked for before are void.
-- KEYS[1]: an API's marks. ARGV: how long they are kept in ms, most marks, and the marks.
local count = redis.call('HGET', KEYS[1], 'count')
if not count then
  -- Without marks nothing is valid.
  return 0
end
count = string.format('%.0f', tonumber(count) + 1)
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[2]) then
  -- All of the API's answers go, and with them the need for marks.
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'born', count)
end
redis.call('HSET', KEYS[1], 'count', count)
for i = 3, #ARGV do
  redis.call('HSET', KEYS[1], ARGV[i], count)
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
