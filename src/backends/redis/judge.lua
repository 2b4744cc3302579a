-- Judges a batch in order (design, rule 4): mark, blacklist, rate, new mark.
--
-- KEYS  1 set of addresses, 2 hash of rules, 3 hash of ended rules, then one mark's key a candidate,
--       then the hashes of counts (address to count)
-- ARGV  1 life of a mark in ms, 2 events a minute, 3 life of a ban in ms (-1: until lifted),
--       4 life of a count in ms, 5 the reason of a ban, 6 the head of its JSON,
--       7 how many candidates, 8 the most candidates of one address and minute,
--       9 whether slots follow, then the candidates' marks, then their slots ('' each where none
--       follow), then of each hash of counts how many slots are in it, their addresses, and how many
--       candidates each of them has
-- mark  36 characters of the origin, then the receipt in ms to base 36 (8 of them until 2059, so
--       that a value fits Redis' small strings)
-- slot  '' neither limited nor banned, '!' blocked by the caller, else the number of an address and
--       minute, counted from 1 through all hashes
-- reply how many candidates, then of each that does not pass its number and: n limited at n, -n the
--       same and it made the ban, 'd' and the mark that was there, 'b' blocked by the caller, 'r'
--       and the reason of a ban
local call = redis.call
-- Locals: reading a global costs a look-up, and each candidate reads these five times.
local keys, args = KEYS, ARGV
local life, life_ms, limit, ban = args[1], tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
local n, most, has_slots = tonumber(args[7]), tonumber(args[8]), args[9] == '1'
local addresses, counts, changed, duplicates = {}, {}, {}, {}
local banned, any_banned, replies = {}, false, { n }

local function received(mark)
  return tonumber(string.sub(mark, 37), 36)
end

-- Reads the counts. In a calm batch no address can get beyond its limit, so nothing is counted one
-- by one.
local is_calm, slots = true, 0
local first = 9 + 2 * n
local at = first
for key = 4 + n, #keys do
  local many = tonumber(args[at + 1])
  local found = call('HMGET', keys[key], unpack(args, at + 2, at + 1 + many))
  for i = 1, many do
    local count = found[i] and tonumber(found[i])
    if count then
      counts[slots + i] = count
    end
    if (count or most > limit) and (count or 0) + args[at + 1 + many + i] > limit then
      is_calm = false
    end
    addresses[slots + i] = args[at + 1 + i]
  end
  slots = slots + many
  at = at + 1 + 2 * many
end

local function ban_of(slot, mark)
  local rule = any_banned and banned[addresses[slot]]
  return rule and (rule.ends < 0 or received(mark) < rule.ends) and rule
end

-- The rule that stands for an address: when it ends (-1 never) and why; nil where there is none.
local function standing(address)
  local member = call('SISMEMBER', keys[1], address) == 1
  local text = call('HGET', member and keys[2] or keys[3], address)
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
  local address, at = addresses[slot], received(mark)
  local ends = ban < 0 and -1 or at + ban
  local rule = standing(address)
  any_banned = true
  if rule and (rule.ends < 0 or (ends >= 0 and rule.ends >= ends)) then
    banned[address] = rule
    return false
  end
  banned[address] = { ends = ends, reason = args[5] }
  local text = args[6] .. string.format(',"created_ms":%.0f', at)
  if ends >= 0 then
    text = text .. string.format(',"expires_ms":%.0f', ends)
  end
  call('HSET', keys[2], address, text .. '}')
  call('HDEL', keys[3], address)
  call('SADD', keys[1], address)
  return true
end

-- What blacklist and rate say of a candidate without a mark; 0 where they let it pass.
local function ruling(slot, mark)
  if slot == '' or (is_calm and slot ~= '!') then
    return 0
  elseif slot == '!' then
    return 'b'
  end
  slot = tonumber(slot)
  local rule = ban_of(slot, mark)
  if rule then
    return 'r' .. rule.reason
  end
  local count = (counts[slot] or 0) + 1
  counts[slot] = count
  changed[slot] = true
  if count <= limit then
    return 0
  elseif count == limit + 1 and make_ban(slot, mark) then
    return -count
  end
  return count
end

local function is_free(slot, mark)
  if slot == '' or slot == '!' then
    return slot == ''
  end
  slot = tonumber(slot)
  return (counts[slot] or 0) < limit and not ban_of(slot, mark)
end

for i = 1, n do
  local key, mark, slot = keys[3 + i], args[9 + i], has_slots and args[9 + n + i] or ''
  -- One command reads the mark and writes it where nothing can refuse the event.
  local before
  if (is_calm and slot ~= '!') or is_free(slot, mark) then
    before = call('SET', key, mark, 'NX', 'GET', 'PX', life)
  else
    before = call('GET', key)
  end
  local reply
  if before or not is_calm or slot == '!' then
    -- What another program wrote there is no mark: the store has the last word on it.
    local since = before and string.len(before) >= 44 and received(before)
    local is_counted = false
    if since and string.sub(before, 1, 36) == string.sub(mark, 1, 36) then
      reply = 0
    elseif since and received(mark) < since + life_ms then
      reply = 'd' .. before
    else
      reply = ruling(slot, mark)
      is_counted = true
      if reply == 0 and before then
        call('SET', key, mark, 'PX', life)
      end
    end
    if reply ~= 0 then
      replies[#replies + 1] = i
      replies[#replies + 1] = reply
    end
    if is_calm and not is_counted and slot ~= '' and slot ~= '!' then
      slot = tonumber(slot)
      duplicates[slot] = (duplicates[slot] or 0) + 1
    end
  end
end

-- Writes the counts that changed: in a calm batch every candidate is one but those with a mark.
slots, at = 0, first
for key = 4 + n, #keys do
  local many = tonumber(args[at + 1])
  local fields = {}
  for i = 1, many do
    local slot, more = slots + i, args[at + 1 + many + i]
    local count
    if not is_calm then
      count = changed[slot] and tostring(counts[slot])
    elseif not counts[slot] and not duplicates[slot] then
      count = more
    elseif more - (duplicates[slot] or 0) > 0 then
      count = tostring((counts[slot] or 0) + more - (duplicates[slot] or 0))
    end
    if count then
      fields[#fields + 1] = args[at + 1 + i]
      fields[#fields + 1] = count
    end
  end
  if #fields > 0 then
    call('HSET', keys[key], unpack(fields))
    call('PEXPIRE', keys[key], args[4])
  end
  slots = slots + many
  at = at + 1 + 2 * many
end
return replies
