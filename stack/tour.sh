# shellcheck shell=bash
# The last screen of start: the time one row takes, and three queries that were run and returned data. Sourced.

# BigQuery and Elasticsearch are written to every few seconds; a machine that has just started everything is slow.
TOUR_WAIT_SECONDS=60

tour() {
	local generator=$1
	say ""
	say "One row"
	tour_row
	say ""
	if [[ $generator == no ]]; then
		say "Queries (there is no generator, so they return what you insert)"
	else
		say "Queries, each just run:"
	fi
	tour_queries "$generator"
	say ""
	say "Watch it"
	say "  http://127.0.0.1:$WEB_PORT/    live, in a browser; in this terminal: ./run.sh monitor"
	say "  http://127.0.0.1:$METRICS_PORT/metrics"
	say "  http://127.0.0.1:$METRICS_PORT/readyz"
}

tour_psql() {
	PGPASSWORD=$POSTGRES_PASSWORD psql -X -q -At -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$POSTGRES_PORT" \
		-U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"
}

tour_redis() { REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -h 127.0.0.1 -p "$REDIS_PORT" "$@" 2> /dev/null; }

# The first row also waits for what Debezium still has to read from before; the next one shows the pipeline as it runs.
tour_row() {
	local id type first
	IFS='|' read -r id type < <(tour_psql -c "SELECT id, content_type FROM content ORDER BY id LIMIT 1") || true
	if [[ -z ${id:-} ]]; then
		say "  there are no contents yet, so nothing was inserted"
		return 0
	fi
	progress row "on its way"
	tour_one_row "$id" "$type" || return 1
	first=$ROW_MS
	progress row "one more"
	tour_one_row "$id" "$type" || return 1
	[[ ! -t 1 ]] || printf '\r\033[K'
	say "  inserted into PostgreSQL, counted in Redis $ROW_MS ms after its commit (the very first one: $first ms)"
}

# Inserts one row whose minute is twelve minutes ago: no other row is counted there now, and the window has not expired.
# The clock starts after the commit and stops when Redis shows the count grown by one; the result is ROW_MS.
tour_one_row() {
	local id=$1 type=$2 minute window before begin
	minute=$(date -u -d '12 minutes ago' +'%Y-%m-%d %H:%M')
	window=access:by_type:window:$(date -u -d "$minute UTC" +%Y%m%d%H%M)
	before=$(tour_redis HGET "$window" "$type")
	tour_psql -c "INSERT INTO engagement_events (content_id, user_id, event_type, event_ts, device)
		VALUES ('$id', gen_random_uuid(), 'click', '$minute:30+00', 'web-chrome')"
	begin=$(now_ms)
	while [[ $(tour_redis HGET "$window" "$type") != $((${before:-0} + 1)) ]]; do
		if (($(now_ms) - begin > TOUR_WAIT_SECONDS * 1000)); then
			warn "the row inserted into PostgreSQL did not reach $window in Redis within $TOUR_WAIT_SECONDS s.
  What to do: ./run.sh status, then ./run.sh logs engine"
			return 1
		fi
		sleep 0.005
	done
	ROW_MS=$(($(now_ms) - begin))
}

# Each query is printed as it can be copied, and run exactly so.
tour_queries() {
	local generator=$1 redis elasticsearch bigquery
	redis="redis-cli -p $REDIS_PORT ZREVRANGE stats:top_by_access 0 4 WITHSCORES"
	elasticsearch="curl -s 'http://127.0.0.1:$ELASTICSEARCH_PORT/engagement-events-*/_search?size=1&sort=id:desc&filter_path=hits.total.value,hits.hits._source'"
	bigquery="curl -s -H 'Content-Type: application/json' http://127.0.0.1:$BIGQUERY_PORT/bigquery/v2/projects/$BIGQUERY_PROJECT/queries"
	bigquery+=" -d '{\"useLegacySql\":false,\"query\":\"SELECT event_type, COUNT(*) AS n FROM $BIGQUERY_DATASET.${BIGQUERY_TABLE}_exact GROUP BY event_type\"}'"
	tour_query "$generator" "$redis" '[a-z]'
	tour_query "$generator" "$elasticsearch" '"_source"'
	if [[ $BIGQUERY_EMULATOR == goccy ]] && ! http_ok "http://127.0.0.1:$BIGQUERY_PORT/bigquery/v2/projects/$BIGQUERY_PROJECT/datasets"; then
		say "  the BigQuery emulator is still being built (./run.sh logs bigquery); its sink joins when it answers. Then:"
		say "  $bigquery"
	else
		tour_query "$generator" "$bigquery" '"v": *"[a-z]+"'
	fi
}

# tour_query WAIT COMMAND PATTERN: runs it until its answer holds the pattern, shows the command and its first lines.
tour_query() {
	local wait=$1 command=$2 pattern=$3 answer begin
	begin=$(now_ms)
	say "  $command"
	while answer=$(REDISCLI_AUTH=$REDIS_PASSWORD bash -c "$command" 2> /dev/null) || true; ! grep -qE "$pattern" <<< "$answer"; do
		if [[ $wait == no ]] || (($(now_ms) - begin > TOUR_WAIT_SECONDS * 1000)); then
			[[ $wait == no ]] || warn "this returned no data within $TOUR_WAIT_SECONDS s. What to do: ./run.sh status, then ./run.sh logs engine"
			return 0
		fi
		sleep 0.5
	done
	# BigQuery sends the schema before the rows; the rows are what one wants to see.
	paste -sd ' ' <<< "$answer" | tr -s ' ' | sed 's/^.*"rows"/… "rows"/' | cut -c 1-300 | sed 's/^/      /'
}

# What the engine says of itself: events read, acked per sink, dead letters.
engine_numbers() {
	local metrics
	if ! metrics=$(curl -fsS -m 5 "http://127.0.0.1:$METRICS_PORT/metrics" 2> /dev/null); then
		say "  engine         does not answer on port $METRICS_PORT. What to do: stack/stack.sh up engine"
		return 1
	fi
	grep -E '^anabranch_(source_events|source_lag_messages|sink_events|sink_duplicates|dead_letters|sink_position|committed_offset)' <<< "$metrics" |
		awk '{ printf "  %-90s %s\n", $1, $2 }' | sort
}
