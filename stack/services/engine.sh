# shellcheck shell=bash
# The engine itself, run like its neighbours: pid file, log, probe.

engine_memory_mb() { echo 300; }
engine_ports() { echo "METRICS_PORT $METRICS_PORT"; }
engine_binary() { printf '%s/build/release/anabranch' "$AB_ROOT"; }
engine_marker() { printf 'run -e %s' "$AB_ENV_FILE"; }
engine_url() { printf 'http://127.0.0.1:%s/%s' "$METRICS_PORT" "$1"; }

engine_get() {
	[[ -x $(engine_binary) ]] || die "the engine is not built. What to do: ./run.sh build"
}

# Positions, template, table, view: repeating it changes nothing. Its answer goes to the log and, when bad, to the screen.
engine_create() {
	local out
	mkdir -p "$AB_LOG_DIR"
	out=$AB_LOG_DIR/engine-init.log
	if ! (cd "$AB_ROOT" && "$(engine_binary)" init -e "$AB_ENV_FILE" ${AB_INIT_FROM:+--from "$AB_INIT_FROM"}) > "$out" 2>&1; then
		printf 'error: anabranch init failed:\n' >&2
		tail -n 15 "$out" | sed 's/^/    | /' >&2
		return 1
	fi
}

engine_start() {
	spawn engine "$(engine_marker)" "$(id -un)" "$(engine_binary)" run -e "$AB_ENV_FILE"
}

engine_ready() { http_ok "$(engine_url readyz)"; }
engine_stop() { stop_process engine TERM 15; }
