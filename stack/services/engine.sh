# shellcheck shell=bash
# The engine itself, run like its neighbours: pid file, log, probe.

# The exit status of a sink that does not answer (anabranch help exit-codes).
ENGINE_UNAVAILABLE=69

engine_memory_mb() { echo 300; }
engine_ports() { echo "METRICS_PORT $METRICS_PORT"; }
engine_binary() { printf '%s/build/release/anabranch' "$AB_ROOT"; }
engine_marker() { printf 'run -e %s' "$AB_ENV_FILE"; }
engine_url() { printf 'http://127.0.0.1:%s/%s' "$METRICS_PORT" "$1"; }

engine_get() {
	[[ -x $(engine_binary) ]] || die "the engine is not built. What to do: ./run.sh build"
}

# engine_create [-s KEY=VALUE…]: positions, template, table, view; repeating it changes nothing. Its answer goes to a log
# and, when it is bad, to the screen. A BigQuery emulator that is still being built gets its table when it is there.
engine_create() {
	local out=$AB_LOG_DIR/engine-init.log status=0
	mkdir -p "$AB_LOG_DIR"
	(cd "$AB_ROOT" && "$(engine_binary)" init -e "$AB_ENV_FILE" "$@") > "$out" 2>&1 || status=$?
	if ((status == ENGINE_UNAVAILABLE)) && bigquery_is_building; then
		progress_done engine "positions made; BigQuery's table follows when its emulator is built"
	elif ((status != 0)); then
		printf 'error: anabranch init failed:\n' >&2
		tail -n 15 "$out" | sed 's/^/    | /' >&2
		printf '  What to do: follow what it says, then run the same command again. All of it: %s\n' "$out" >&2
		return 1
	fi
}

engine_start() {
	spawn engine "$(engine_marker)" "$(id -un)" "$(engine_binary)" run -e "$AB_ENV_FILE"
}

engine_ready() { http_ok "$(engine_url readyz)"; }
engine_stop() { stop_process engine TERM 15; }
