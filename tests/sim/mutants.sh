#!/usr/bin/env bash
# tests/sim/mutants.sh — breaks the engine on purpose, one way after the other, and expects every way to be caught.
#
# Works on a copy of the sources in a folder of its own (WORK, default: a new one under /tmp). What the simulation
# cannot reach (the Lua script, the content feed) is caught by the test that is named. Exit 0: all caught.
#
#     tests/sim/mutants.sh [SEEDS]        schedules to try each with, default 1..10000
# shellcheck disable=SC2016 # the dollar signs are perl's
set -euo pipefail

seeds=${1:-1..10000}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=${WORK:-$(mktemp -d /tmp/mutants.XXXXXX)}
missed=0

prepare() {
	mkdir -p "$work"
	# What git knows and what is new, without builds.
	(cd "$root" && git ls-files -co --exclude-standard -z | tar --null -T - -cf - --ignore-failed-read) | tar -xf - -C "$work"
	cmake -S "$work" --preset release -DAB_WERROR=OFF >/dev/null
	cmake --build "$work/build/release" --target simulate test_redis_script test_content >/dev/null
}

# What a test that failed has to say: the simulation's seed and how many schedules it took, else the test's name.
verdict() {
	local test=$1 output=$2 seed
	if [ "$test" != simulate ]; then
		echo "caught by tests/unit/$test.c"
		return
	fi
	seed=$(grep -oE '^seed [0-9]+ fails' <<<"$output" | grep -oE '[0-9]+' | head -1)
	echo "caught by seed $seed, after $((seed - ${seeds%%.*} + 1)) schedules"
}

# mutant NAME FILE TEST PERL: PERL is a substitution over the whole file, and must change it.
mutant() {
	local name=$1 file=$2 test=$3 change=$4 output arguments=()
	cp "$work/$file" "$work/$file.whole"
	perl -0pi -e "$change" "$work/$file"
	if cmp -s "$work/$file" "$work/$file.whole"; then
		printf '%-36s %-24s does not apply: the code has changed, so must the mutant\n' "$name" "$file"
		missed=$((missed + 1))
	elif ! cmake --build "$work/build/release" --target "$test" >"$work/build.log" 2>&1; then
		printf '%-36s %-24s does not build: see %s\n' "$name" "$file" "$work/build.log"
		missed=$((missed + 1))
	else
		[ "$test" = simulate ] && arguments=(--seeds "$seeds")
		if output=$(cd "$work" && timeout 600 "build/release/tests/$test" "${arguments[@]}" 2>&1); then
			printf '%-36s %-24s NOT CAUGHT by %s\n' "$name" "$file" "$test"
			missed=$((missed + 1))
		else
			printf '%-36s %-24s %s\n' "$name" "$file" "$(verdict "$test" "$output")"
			grep -m1 -E 'fails at step [0-9]+: |assertion failed' <<<"$output" | cut -c1-160 | sed 's/^/      /' || true
		fi
	fi
	mv "$work/$file.whole" "$work/$file"
	touch "$work/$file"
}

prepare

mutant "position before data" core/lane.c simulate \
	's/(\tlane->state = AB_LANE_IN_FLIGHT;\n\treturn true;)/\tfor (uint32_t i = 0; i < batch->range_count; i++)\n\t\tatomic_store(&lane->position[batch->range[i].partition], batch->range[i].next);\n$1/'
mutant "<= for ==" sinks/redis.lua test_redis_script \
	's/if stored\[i\] == range\.first then/if stored[i] and tonumber(stored[i]) <= tonumber(range.first) then/'
mutant "ack counted twice" core/delivery_lane.c simulate \
	's/if \(first && !pending\)/if (!pending)/'
mutant "rejoin one off" core/worker_readers.c simulate \
	's/if \(records == 0 && has_room/if (records <= 1 && has_room/'
mutant "commit max instead of min" core/position.c simulate \
	's/least = INT64_MAX;/least = -1;/; s/sink\[s\]\.next\[l\] < least/sink[s].next[l] > least/'
mutant "retry reordered" core/lane.c simulate \
	's/(\tlane->attempt\+\+;\n)/$1\tif (lane->filling->item_count > 0) {\n\t\tstruct ab_batch *later = lane->filling;\n\t\tlane->filling = lane->sending;\n\t\tlane->sending = later;\n\t}\n/'
mutant "OVERLAP taken as DUP" sinks/redis_reply.c simulate \
	's/\ttrim\(batch, stored, to\);\n\treturn AB_REPLY_AGAIN;/\t(void)trim;\n\tack_all(batch, true, to);\n\treturn AB_REPLY_DONE;/'
mutant "lane from the cache" core/worker_step.c simulate \
	's/ab_route_lane\(event, sink->key, sink->lanes\)/(ab_route_lane(event, sink->key, sink->lanes) + (event->content_type != NULL)) % sink->lanes/'
mutant "filter off by one" core/lane.c simulate \
	's/record->offset >= lane->accepted/record->offset > lane->accepted/'
mutant "content consumer from latest" core/content.c test_content \
	's/feed->next\[p\] = first;/feed->next[p] = feed->goal[p];/'

# Beyond the ten: what would be silent, and what the simulation has found once.
mutant "leave one off" core/worker_readers.c simulate \
	's/int64_t given = ab_worker_given\(worker, s, p\);/int64_t given = ab_worker_given(worker, s, p) + 1;/'
mutant "start one off" core/readers.c simulate \
	's/start\[p\] = sink->next\[p\];/start[p] = sink->next[p] + 1;/'
mutant "nobody leaves" core/starve.c simulate \
	's/return starve->leave \? AB_STARVE_LEAVE/return starve->level_ns < 0 ? AB_STARVE_LEAVE/'
mutant "a quiet Redis is not looked at" core/errand.c simulate \
	's/errand->went_back \|= /errand->went_back \&= /'
mutant "a wish to close is forgotten" core/delivery.c simulate \
	's/ \|\| \*wish == AB_WISH_REOPEN \? / ? /'
mutant "position first in the script" sinks/redis.lua test_redis_script \
	's/\nlocal windows = \{\}\nfor i = 1, tonumber/\nfor _, range in ipairs(ranges) do redis.call("HSET", KEYS[1], range.field, range.next) end\nlocal windows = {}\nfor i = 1, tonumber/'
mutant "letter not waited for" core/delivery_lane.c simulate \
	's/ \&\& ab_acks_upto\(&worker->acks\) >= chunk->letters//'
mutant "letters counted, whichever they are" core/acks.c simulate \
	's/for \(; \*word_of\(acks, upto\) & bit_of\(upto\); upto\+\+\)\n\t\t.*?;\n/upto++;\n/'
mutant "records of a letter given up are covered" core/worker_seal.c simulate \
	's/return worker->dead_given_up == 0;/return worker != NULL;/'
mutant "rows not looked up after a cut" sinks/bigquery.c simulate \
	's/\tif \(lane->phase == AB_BQ_INSERT\) \{\n\t\tab_bq_doubt\(lane\);/\tif (lane->phase == AB_BQ_INSERT) {/'
mutant "commit of what is only known" core/engine_commit.c simulate \
	's/next >= 0 \? next : sink->known/next >= 0 ? next + 1 : sink->known/'
mutant "a late refusal ends the program" core/engine_lost.c simulate \
	's/\n\t\t    ab_excuse\(&engine->late\[r\]\[p\], reader->next\[p\]\) == AB_EXCUSE_TAKEN\)/\n\t\t    engine == NULL)/'
mutant "a gap of one is a gap of all" core/engine_lost.c simulate \
	's/sink->floor\[p\] = first\[p\];/for (int o = 0; o < engine->sink_count; o++)\n\t\t\tengine->sink[o].floor[p] = first[p];/'
mutant "a sink that begins knows its gaps" core/engine_readers.c simulate \
	's/\tmemset\(sink->floor, 0, sizeof sink->floor\);\n//'

[ "${WORK:-}" ] || rm -rf "$work"
if [ "$missed" -gt 0 ]; then
	echo "$missed not caught"
	exit 1
fi
echo "all caught"
