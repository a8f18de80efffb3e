# shellcheck shell=bash
# The generator: BATCH_SIZE rows every EVENT_INTERVAL_SECONDS, until it is stopped.

loadgen_memory_mb() { echo 50; }
loadgen_ports() { :; }
loadgen_binary() { printf '%s/build/release/anabranch-loadgen' "$AB_ROOT"; }
loadgen_marker() { printf 'run -e %s' "$AB_ENV_FILE"; }

loadgen_get() {
	[[ -x $(loadgen_binary) ]] || die "the generator is not built. What to do: ./run.sh build"
}

# The contents that events point to: deterministic, so that a second time inserts nothing.
loadgen_create() {
	local out=$AB_LOG_DIR/loadgen-contents.log
	mkdir -p "$AB_LOG_DIR"
	if ! "$(loadgen_binary)" run -e "$AB_ENV_FILE" --seed-contents "$CONTENT_ROWS" --count 0 > "$out" 2>&1; then
		printf 'error: the contents could not be inserted:\n' >&2
		tail -n 15 "$out" | sed 's/^/    | /' >&2
		return 1
	fi
}

loadgen_start() {
	spawn loadgen "$(loadgen_marker)" "$(id -un)" "$(loadgen_binary)" run -e "$AB_ENV_FILE"
}

loadgen_ready() { running_pid loadgen > /dev/null; }
loadgen_stop() { stop_process loadgen TERM 15; }
