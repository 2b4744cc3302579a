-- Reads the rules where they changed, and puts away what ended or was lifted by hand.
--
-- KEYS  1 set of addresses, 2 hash of rules, 3 hash of ended rules
-- ARGV  1 the state that the caller knows, 2 now in ms
-- reply nil where the caller knows it, else the state, the members, and both hashes flat
local call = redis.call

-- The checksums that DUMP ends with: a change typed by hand shows, and nothing is sent for them.
local function state()
  local text = ''
  for _, key in ipairs(KEYS) do
    local dump = call('DUMP', key)
    text = text .. (dump and string.sub(dump, -8) or '-')
  end
  return text
end

if ARGV[1] ~= '' and state() == ARGV[1] then
  return false
end

local now, is_member = tonumber(ARGV[2]), {}
for _, member in ipairs(call('SMEMBERS', KEYS[1])) do
  is_member[member] = true
end
local details = call('HGETALL', KEYS[2])
for i = 1, #details, 2 do
  local target, text = details[i], details[i + 1]
  local is_network = string.find(target, '/', 1, true)
  if not is_network and not is_member[target] then
    -- SREM by hand: the rule is lifted.
    call('HDEL', KEYS[2], target)
  else
    local readable, detail = pcall(cjson.decode, text)
    local ends = readable and type(detail) == 'table' and tonumber(detail.expires_ms)
    if ends and ends <= now then
      -- Out of the set, so that a SADD by hand is seen; kept aside for what is still to be judged.
      call('HDEL', KEYS[2], target)
      call('HSET', KEYS[3], target, text)
      call('SREM', KEYS[1], target)
    end
  end
end
return { state(), call('SMEMBERS', KEYS[1]), call('HGETALL', KEYS[2]), call('HGETALL', KEYS[3]) }
