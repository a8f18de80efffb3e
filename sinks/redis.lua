-- Applies one batch of one lane, all of it exactly once, or nothing.
--
-- Everything that can refuse comes before the first write: positions, types of keys, values to be added to. A script's
-- effects are not undone when it fails, so after the first write nothing may fail any more. Positions are written last.
--
-- KEYS    1 positions, a hash: "lanes", "key", and "<partition>:<lane>" -> next offset
--         2 newest minute applied, as minutes since 1970
-- ARGV    lanes, key, time to live of a window in seconds, boards wanted (0, 1: by type, 2: by content too), now (ISO),
--         newest minute of the batch ("" for none),
--         number of ranges, then each: field, first, next
--         number of windows, then each: minute, number of types, number of contents,
--             then each type: name, events, hundredths, events with a percentage; each content: id, percentage
-- Answer  OK | DUP | MIX stored… ("-": none) | LAYOUT lanes key | TYPE key is wanted | VALUE key field value
--
-- Windows are named from their minutes here and nowhere else, so they are not in KEYS (no Redis Cluster).

local LARGEST = 9007199254740992	-- 2^53: below, Lua's numbers are exact integers
local ARGUMENTS_MAX = 4000		-- of one command; Lua's stack ends at 8000
local BOARD_MINUTES = 10
local BOARD_CONTENTS = 20
-- Up to so many entries (10 ms) the windows are added up whole; above, only each window's best are candidates, and
-- anabranch:top_content_exact says 0: an item outside the best of every single window is then not seen.
local EXACT_ENTRIES_MAX = 60000
local CANDIDATES = 40

local at = 0
local function take()
	at = at + 1
	return ARGV[at]
end

local function in_slices(command, key, list)
	local replies = {}
	for first = 1, #list, ARGUMENTS_MAX do
		local last = math.min(first + ARGUMENTS_MAX - 1, #list)
		local reply = redis.call(command, key, unpack(list, first, last))
		if type(reply) == 'table' then
			for i = 1, #reply do replies[#replies + 1] = reply[i] end
		end
	end
	return replies
end

-- YYYYMMDDHHMM. Years are counted from March, so that the leap day is a year's last.
local function minute_name(minute)
	local floor = math.floor
	local day = floor(minute / 1440)
	local rest = minute - day * 1440
	day = day + 719468			-- since 0000-03-01
	local era = floor(day / 146097)		-- 400 years
	day = day - era * 146097
	local year = floor((day - floor(day / 1460) + floor(day / 36524) - floor(day / 146096)) / 365)
	day = day - (365 * year + floor(year / 4) - floor(year / 100))
	local month = floor((5 * day + 2) / 153)
	day = day - floor((153 * month + 2) / 5) + 1
	month = month < 10 and month + 3 or month - 9
	year = era * 400 + year + (month <= 2 and 1 or 0)
	return string.format('%04d%02d%02d%02d%02d', year, month, day, floor(rest / 60), rest % 60)
end

local function window_keys(minute)
	local name = minute_name(minute)
	return {
		access = 'access:by_type:window:' .. name,		-- hash: type -> events
		engagement = 'engagement:by_type:window:' .. name,	-- zset: type -> sum of percentages
		exact = 'engagement:exact:window:' .. name,		-- hash: sum:type, count:type
		content = 'engagement:by_content:window:' .. name,	-- zset: content -> sum of percentages
	}
end

local WINDOW_TYPES = {access = 'hash', engagement = 'zset', exact = 'hash', content = 'zset'}
local BOARDS = {
	['stats:top_by_engagement'] = 'zset',
	['stats:top_by_access'] = 'zset',
	['stats:top_content'] = 'zset',
	['stats:last_update'] = 'string',
	['anabranch:top_content_exact'] = 'string',
}

local refusal	-- the answer, once something has refused

local function check_type(key, wanted)
	local is = redis.call('TYPE', key).ok
	if is ~= wanted and is ~= 'none' and not refusal then
		refusal = {'TYPE', key, is, wanted}
	end
end

local function check_window(keys)
	for name, wanted in pairs(WINDOW_TYPES) do check_type(keys[name], wanted) end
end

-- What a counter holds now, as an exact integer; refuses what is none, or would not stay one.
local function check_value(key, field, stored, add)
	if not stored then return add end
	local value = tonumber(stored)
	if value and value == math.floor(value) and math.abs(value) + math.abs(add) < LARGEST then
		return value + add
	end
	refusal = refusal or {'VALUE', key, field, tostring(stored)}
	return add
end

local function integer_text(value) return string.format('%.0f', value) end
local function score_text(hundredths) return string.format('%.17g', hundredths / 100) end

-- Where the batch stands against what is stored: nil when it is to be applied, else the answer.
local function judge(lanes, key, ranges)
	check_type(KEYS[1], 'hash')
	if refusal then return refusal end
	local layout = redis.call('HMGET', KEYS[1], 'lanes', 'key')
	if #ranges == 0 then return nil end
	local fields = {}
	for i, range in ipairs(ranges) do fields[i] = range.field end
	local stored = in_slices('HMGET', KEYS[1], fields)
	local ok, dup, mix = 0, 0, {'MIX'}
	for i, range in ipairs(ranges) do
		mix[i + 1] = stored[i] or '-'
		if stored[i] == range.first then
			ok = ok + 1
		elseif stored[i] and (tonumber(stored[i]) or -1) >= tonumber(range.next) then
			dup = dup + 1
		end
	end
	if layout[1] and (layout[1] ~= lanes or layout[2] ~= key) then
		return {'LAYOUT', layout[1], layout[2] or '-'}
	end
	if ok == #ranges then return nil end
	if dup == #ranges then return {'DUP'} end
	return mix
end

local function take_ranges()
	local ranges = {}
	for i = 1, tonumber(take()) do ranges[i] = {field = take(), first = take(), next = take()} end
	return ranges
end

-- One window's additions, turned into what its keys will hold.
local function take_window()
	local window = {minute = tonumber(take()), access = {}, exact = {}, engagement = {}, content = {}}
	local keys = window_keys(window.minute)
	window.keys = keys
	check_window(keys)
	local types, contents = tonumber(take()), tonumber(take())
	local names, fields, add = {}, {}, {}
	for i = 1, types do
		names[i] = take()
		add[i] = {events = tonumber(take()), sum = tonumber(take()), count = tonumber(take())}
		if add[i].count > 0 then
			fields[#fields + 1] = 'sum:' .. names[i]
			fields[#fields + 1] = 'count:' .. names[i]
		end
	end
	for i = 1, contents do
		window.content[2 * i], window.content[2 * i - 1] = take(), take()
	end
	if refusal then return window end

	local stored = in_slices('HMGET', keys.access, names)
	local exact = in_slices('HMGET', keys.exact, fields)
	local at_exact = 0
	for i = 1, types do
		local name = names[i]
		local events = check_value(keys.access, name, stored[i], add[i].events)
		window.access[#window.access + 1] = name
		window.access[#window.access + 1] = integer_text(events)
		if add[i].count > 0 then
			local sum = check_value(keys.exact, 'sum:' .. name, exact[at_exact + 1], add[i].sum)
			local count = check_value(keys.exact, 'count:' .. name, exact[at_exact + 2], add[i].count)
			local list, scored = window.exact, window.engagement
			list[#list + 1], list[#list + 2] = 'sum:' .. name, integer_text(sum)
			list[#list + 1], list[#list + 2] = 'count:' .. name, integer_text(count)
			scored[#scored + 1], scored[#scored + 2] = score_text(sum), name
			at_exact = at_exact + 2
		end
	end
	return window
end

local function apply(window, seconds_to_live)
	local keys = window.keys
	local expire_at = integer_text((window.minute + 1) * 60 + seconds_to_live)
	local function write(command, key, list)
		if #list == 0 then return end
		in_slices(command, key, list)
		redis.call('EXPIREAT', key, expire_at)		-- in the past: gone at once
	end
	write('HSET', keys.access, window.access)
	write('HSET', keys.exact, window.exact)
	write('ZADD', keys.engagement, window.engagement)
	-- A sum in floating point cannot fail, and is off by less than a millionth after a billion events.
	for i = 1, #window.content, 2 do
		redis.call('ZINCRBY', keys.content, window.content[i], window.content[i + 1])
	end
	if #window.content > 0 then redis.call('EXPIREAT', keys.content, expire_at) end
end

local function hash_of(key)
	local list, hash = redis.call('HGETALL', key), {}
	-- What somebody else wrote into a window is nobody's number: it does not count.
	for i = 1, #list, 2 do hash[list[i]] = tonumber(list[i + 1]) or 0 end
	return hash
end

local function replace(board, list)
	redis.call('DEL', board)
	in_slices('ZADD', board, list)
end

-- The best of each window are the candidates; their sums are whole.
local function top_of_candidates(keys)
	local seen, ids, sums = {}, {}, {}
	for _, key in ipairs(keys) do
		for _, id in ipairs(redis.call('ZREVRANGE', key, 0, CANDIDATES - 1)) do
			if not seen[id] then
				seen[id] = true
				ids[#ids + 1] = id
			end
		end
	end
	for _, key in ipairs(keys) do
		for i, score in ipairs(in_slices('ZMSCORE', key, ids)) do
			sums[ids[i]] = (sums[ids[i]] or 0) + (tonumber(score or 0))
		end
	end
	table.sort(ids, function(a, b)
		if sums[a] ~= sums[b] then return sums[a] > sums[b] end
		return a > b
	end)
	local list = {}
	for i = 1, math.min(#ids, BOARD_CONTENTS) do
		list[2 * i - 1], list[2 * i] = string.format('%.17g', sums[ids[i]]), ids[i]
	end
	return list
end

local function rank_contents(windows)
	local keys, entries = {}, 0
	for _, window in ipairs(windows) do
		local size = redis.call('ZCARD', window.content)
		if size > 0 then
			keys[#keys + 1] = window.content
			entries = entries + size
		end
	end
	if #keys > 0 and entries <= EXACT_ENTRIES_MAX then
		redis.call('ZUNIONSTORE', 'stats:top_content', #keys, unpack(keys))
		redis.call('ZREMRANGEBYRANK', 'stats:top_content', 0, -1 - BOARD_CONTENTS)
		redis.call('SET', 'anabranch:top_content_exact', 1)
	else
		replace('stats:top_content', top_of_candidates(keys))
		redis.call('SET', 'anabranch:top_content_exact', #keys == 0 and 1 or 0)
	end
end

-- When every one of the ten minutes has expired there is nothing to tell, and the boards stay as they are.
local function recompute(windows, contents_too, now)
	local events, sums, counts = {}, {}, {}
	for _, window in ipairs(windows) do
		for name, n in pairs(hash_of(window.access)) do events[name] = (events[name] or 0) + n end
		for field, n in pairs(hash_of(window.exact)) do
			local what, name = string.match(field, '^(%a+):(.*)$')
			local into = what == 'sum' and sums or what == 'count' and counts or {}
			if name then into[name] = (into[name] or 0) + n end
		end
	end
	if next(events) == nil then return end
	local by_access, by_engagement = {}, {}
	for name, n in pairs(events) do
		by_access[#by_access + 1], by_access[#by_access + 2] = integer_text(n), name
	end
	for name, n in pairs(counts) do
		if n > 0 then
			local average = (sums[name] or 0) / 100 / n
			by_engagement[#by_engagement + 1] = string.format('%.17g', average)
			by_engagement[#by_engagement + 1] = name
		end
	end
	replace('stats:top_by_access', by_access)
	replace('stats:top_by_engagement', by_engagement)
	if contents_too then rank_contents(windows) end
	redis.call('SET', 'stats:last_update', now)
end

-- The newest minute, stored or of this batch: it never goes back.
local function newest_minute(of_batch)
	check_type(KEYS[2], 'string')
	if refusal then return nil end
	local stored = redis.call('GET', KEYS[2])
	local newest = stored and check_value(KEYS[2], '', stored, 0) or nil
	if of_batch and (not newest or of_batch > newest) then return of_batch end
	return newest
end

local lanes, key = take(), take()
local seconds_to_live, boards_wanted = tonumber(take()), tonumber(take())
local now, newest_of_batch = take(), tonumber(take())
local ranges = take_ranges()
local answer = judge(lanes, key, ranges)
if answer then return answer end

local windows = {}
for i = 1, tonumber(take()) do windows[i] = take_window() end
local newest = newest_minute(newest_of_batch)
local board_windows = {}
if boards_wanted > 0 and newest then
	for i = 1, BOARD_MINUTES do
		board_windows[i] = window_keys(newest - BOARD_MINUTES + i)
		check_window(board_windows[i])
	end
	for board, wanted in pairs(BOARDS) do check_type(board, wanted) end
end
if refusal then return refusal end

for _, window in ipairs(windows) do apply(window, seconds_to_live) end
if newest_of_batch and newest == newest_of_batch then redis.call('SET', KEYS[2], integer_text(newest)) end
if boards_wanted > 0 and newest then recompute(board_windows, boards_wanted == 2, now) end
local positions = {}
for _, range in ipairs(ranges) do
	positions[#positions + 1] = range.field
	positions[#positions + 1] = range.next
end
in_slices('HSET', KEYS[1], positions)
return {'OK'}
