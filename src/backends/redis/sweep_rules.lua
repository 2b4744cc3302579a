-- Drops rules that ended long ago.
--
-- KEYS  1 set of addresses, 2 hash of rules, 3 hash of ended rules
-- ARGV  1 the end at or before which, in ms
local call, last = redis.call, tonumber(ARGV[1])
for _, key in ipairs({ KEYS[2], KEYS[3] }) do
  local details = call('HGETALL', key)
  for i = 1, #details, 2 do
    local readable, detail = pcall(cjson.decode, details[i + 1])
    local ends = readable and type(detail) == 'table' and tonumber(detail.expires_ms)
    if ends and ends <= last then
      call('HDEL', key, details[i])
      if key == KEYS[2] then
        call('SREM', KEYS[1], details[i])
      end
    end
  end
end
return 0
