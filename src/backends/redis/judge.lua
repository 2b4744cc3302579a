-- Judges a batch in order (design, rule 4): mark, blacklist, rate, new mark.
--
-- KEYS  1 set of addresses, 2 hash of rules, 3 hash of ended rules, then one mark's key a candidate
-- ARGV  1 life of a mark in ms, 2 events a minute, 3 life of a ban in ms (-1: until lifted),
--       4 life of a count in ms, 5 the reason of a ban, 6 the head of its JSON, then of each
--       candidate its mark and its slot
-- mark  36 characters of the origin, then the receipt in ms to base 36 (8 of them until 2059, so
--       that a value fits Redis' small strings)
-- slot  '' neither limited nor banned, '!' blocked by the caller, else '<address>:<minute>'
-- reply of each candidate: 0 pass, n limited at n, -n the same and it made the ban,
--       'd' and the mark that was there, 'b' blocked by the caller, 'r' and the reason of a ban
local call = redis.call
local life, life_ms, limit, ban = ARGV[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local counts, touched, banned, any_banned, replies = {}, {}, {}, false, {}

local function received(mark)
  return tonumber(string.sub(mark, 37), 36)
end

local function read_count(slot)
  local count = counts[slot]
  if not count then
    count = tonumber(call('GET', 'ip:count:' .. slot)) or 0
    counts[slot] = count
  end
  return count
end

local function address_of(slot)
  return string.match(slot, '^(.*):')
end

local function ban_of(slot, mark)
  local rule = any_banned and banned[address_of(slot)]
  return rule and (rule.ends < 0 or received(mark) < rule.ends) and rule
end

-- The rule that stands for an address: when it ends (-1 never) and why; nil where there is none.
local function standing(address)
  local member = call('SISMEMBER', KEYS[1], address) == 1
  local text = call('HGET', member and KEYS[2] or KEYS[3], address)
  if not text then
    return member and { ends = -1, reason = '' } or nil
  end
  local readable, detail = pcall(cjson.decode, text)
  if not readable or type(detail) ~= 'table' then
    return { ends = -1, reason = '' }
  end
  local reason = type(detail.reason) == 'string' and detail.reason or ''
  return { ends = tonumber(detail.expires_ms) or -1, reason = reason }
end

-- Bans an address unless a rule stands that holds at least as long; whether it did.
local function make_ban(slot, mark)
  local address, at = address_of(slot), received(mark)
  local ends = ban < 0 and -1 or at + ban
  local rule = standing(address)
  any_banned = true
  if rule and (rule.ends < 0 or (ends >= 0 and rule.ends >= ends)) then
    banned[address] = rule
    return false
  end
  banned[address] = { ends = ends, reason = ARGV[5] }
  local text = ARGV[6] .. string.format(',"created_ms":%.0f', at)
  if ends >= 0 then
    text = text .. string.format(',"expires_ms":%.0f', ends)
  end
  call('HSET', KEYS[2], address, text .. '}')
  call('HDEL', KEYS[3], address)
  call('SADD', KEYS[1], address)
  return true
end

-- What blacklist and rate say of a candidate without a mark; 0 where they let it pass.
local function ruling(slot, mark)
  if slot == '' then
    return 0
  elseif slot == '!' then
    return 'b'
  end
  local rule = ban_of(slot, mark)
  if rule then
    return 'r' .. rule.reason
  end
  local count = read_count(slot) + 1
  counts[slot] = count
  touched[slot] = true
  if count <= limit then
    return 0
  elseif count == limit + 1 and make_ban(slot, mark) then
    return -count
  end
  return count
end

for i = 4, #KEYS do
  local key, mark, slot = KEYS[i], ARGV[2 * i - 1], ARGV[2 * i]
  -- One command reads the mark and writes it where nothing can refuse the event.
  local is_free = slot == ''
    or (slot ~= '!' and read_count(slot) < limit and not ban_of(slot, mark))
  local before
  if is_free then
    before = call('SET', key, mark, 'NX', 'GET', 'PX', life)
  else
    before = call('GET', key)
  end
  -- What another program wrote there is no mark: the store has the last word on it.
  local since = before and string.len(before) >= 44 and received(before)
  local reply
  if since and string.sub(before, 1, 36) == string.sub(mark, 1, 36) then
    reply = 0
  elseif since and received(mark) < since + life_ms then
    reply = 'd' .. before
  else
    reply = ruling(slot, mark)
    if reply == 0 and before then
      call('SET', key, mark, 'PX', life)
    end
  end
  replies[i - 3] = reply
end

for slot in pairs(touched) do
  call('SET', 'ip:count:' .. slot, counts[slot], 'PX', ARGV[4])
end
return replies
