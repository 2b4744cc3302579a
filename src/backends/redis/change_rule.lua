-- Puts a rule, or takes one away.
--
-- KEYS  1 set of addresses, 2 hash of rules, 3 hash of ended rules
-- ARGV  1 the target, 2 the rule's JSON; '' takes it away
-- reply the JSON of the rule that was there, '' of one typed by hand, nil where there was none
local call, target = redis.call, ARGV[1]
local is_network = string.find(target, '/', 1, true)
local is_member = call('SISMEMBER', KEYS[1], target) == 1
local before = (is_member or is_network) and call('HGET', KEYS[2], target)
if not before then
  before = is_member and '' or call('HGET', KEYS[3], target)
end
call('HDEL', KEYS[3], target)
if ARGV[2] == '' then
  call('SREM', KEYS[1], target)
  call('HDEL', KEYS[2], target)
else
  call('HSET', KEYS[2], target, ARGV[2])
  if not is_network then
    call('SADD', KEYS[1], target)
  end
end
return before
