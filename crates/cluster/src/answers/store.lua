-- Stores an answer, unless a purge came since it was asked for.
-- KEYS[1]: the API's marks; KEYS[2]: the place. ARGV: how long marks are kept in ms, how long the
-- answer is kept in ms, most variants, the count of purges when it was asked for, the variant's
-- name, the fields it varies by, the answer with its first line, and its marks.
-- Answers: 1 when it was stored.
local kept, keep, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local begun, variant, names = tonumber(ARGV[4]), ARGV[5], ARGV[6]
local born = redis.call('HGET', KEYS[1], 'born')
if not born or tonumber(born) > begun then return 0 end
for i = 8, #ARGV do
  local raised = redis.call('HGET', KEYS[1], ARGV[i])
  if raised and tonumber(raised) > begun then return 0 end
end
-- Marks outlive every answer.
redis.call('PEXPIRE', KEYS[1], kept)

if redis.call('HEXISTS', KEYS[2], variant) == 0 and redis.call('HLEN', KEYS[2]) > most then
  redis.call('DEL', KEYS[2])
end
local lists = redis.call('HGET', KEYS[2], 'names') or ''
local is_known, number = false, 0
for list in string.gmatch(lists, '([^\n]*)\n') do
  number = number + 1
  is_known = is_known or list == names
end
if not is_known then
  if number >= 4 then
    redis.call('DEL', KEYS[2])
    lists = ''
  end
  redis.call('HSET', KEYS[2], 'names', lists .. names .. '\n')
end
redis.call('HSET', KEYS[2], variant, ARGV[7])
if redis.call('PTTL', KEYS[2]) < keep then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
return 1
