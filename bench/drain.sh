#!/usr/bin/env bash
# How long the engine takes for a topic that is full already, into the real sinks; and what it costs.
#
#   bench/drain.sh [RECORDS] [SINKS]      1000000 redis,bigquery,elasticsearch
#
# Needs a running pipeline (./run.sh start --no-generator, or stack/stack.sh up and create with AB_STACK_DIR of its own)
# and build/release. Uses a topic, a group, a table and counters of its own in that pipeline's neighbours; Redis is emptied,
# so it refuses the pipeline's own engine beside it. Prints one line: records/s, CPU seconds per million (all threads,
# librdkafka's included), the most memory, and the memory bound that was announced.
set -euo pipefail

cd "$(dirname "$0")/.."
# shellcheck source=stack/env.sh
source stack/env.sh

METRICS_AT=$((METRICS_PORT + 7))
# The stack exports its ports, and the environment wins over a file: the engine under measurement has one of its own.
unset METRICS_PORT

RECORDS=${1:-1000000}
SINKS=${2:-redis,bigquery,elasticsearch}
BUILD=${AB_BUILD_DIR:-build/release}
CONTENTS=5000
NAME=bench_$$
METRICS=http://127.0.0.1:$METRICS_AT/metrics
WORK=$(mktemp -d)
ENGINE=

finish() {
	[[ -z $ENGINE ]] || kill "$ENGINE" 2> /dev/null || true
	rm -rf "$WORK"
}
trap finish EXIT

metric() { awk -v name="$1" '$1 == name { print $2 }' "$WORK/metrics"; }

# The least position of any sink, summed over partitions; the topic's end is the number of records.
acked() { awk '/^anabranch_committed_offset\{/ { sum += $2 } END { printf "%d", sum }' "$WORK/metrics"; }

kafka_tool() {
	java -Xmx128m -XX:TieredStopAtLevel=1 -cp "$AB_CACHE_DIR/kafka-4.3.1/libs/*" "$@"
}

write_settings() {
	stack/stack.sh env | grep -v -e '^METRICS_PORT' -e '^BIGQUERY_TABLE' -e '^WEB_PORT' > "$WORK/env"
	cat >> "$WORK/env" <<- SETTINGS
		METRICS_PORT=$METRICS_AT
		BIGQUERY_TABLE=$NAME
		EVENTS_TOPIC=$NAME.events
		GROUP_ID=$NAME
		DEAD_LETTER_TOPIC=$NAME.dead
		SINKS=$SINKS
		REDIS_WINDOW_TTL_SECONDS=864000
	SETTINGS
}

fill() {
	kafka_tool org.apache.kafka.tools.TopicCommand --bootstrap-server "127.0.0.1:$KAFKA_PORT" --create \
		--topic "$NAME.events" --partitions 4 > /dev/null
	"$BUILD/anabranch-loadgen" run -e "$WORK/env" --target kafka --seed-contents "$CONTENTS" --rate max --count "$RECORDS" \
		--event-ts now,1000 --quiet > /dev/null
	redis-cli -p "$REDIS_PORT" FLUSHALL > /dev/null
	"$BUILD/anabranch" init -e "$WORK/env" > /dev/null
}

main() {
	local begin now rss=0 done=0 bound
	write_settings
	fill
	bound=$("$BUILD/anabranch" check -e "$WORK/env" | awk '$1 == "sum" { print $2 }')
	begin=$(date +%s%N)
	"$BUILD/anabranch" run -e "$WORK/env" 2> "$WORK/log" &
	ENGINE=$!
	while ((done < RECORDS)); do
		sleep 0.2
		kill -0 "$ENGINE" || { tail -5 "$WORK/log" >&2; exit 1; }
		curl -fsS "$METRICS" > "$WORK/metrics" 2> /dev/null || continue
		if ((done == 0)); then
			now=$(metric anabranch_source_records_total)
			[[ ${now:-0} != 0 ]] || begin=$(date +%s%N)
		fi
		done=$(acked)
		now=$(metric process_resident_memory_bytes)
		rss=$((now > rss ? now : rss))
	done
	now=$(date +%s%N)
	awk -v n="$RECORDS" -v ns=$((now - begin)) -v cpu="$(metric process_cpu_seconds_total)" -v rss="$rss" -v bound="$bound" \
		-v sinks="$SINKS" 'BEGIN { printf "%s: %d records in %.1f s, %.0f/s, %.2f CPU s per million, %.0f MB RSS, %.0f MB bound\n",
		sinks, n, ns / 1e9, n / (ns / 1e9), cpu / n * 1e6, rss / 1e6, bound / 1e6 }'
}

main
