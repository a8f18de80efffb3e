# shellcheck shell=bash
# The live page of the pipeline, for a browser on this machine (anabranch-monitor --web).

monitor_memory_mb() { echo 50; }
monitor_ports() { echo "WEB_PORT $WEB_PORT"; }
monitor_binary() { printf '%s/build/release/anabranch-monitor' "$AB_ROOT"; }
monitor_marker() { printf -- '--web -e %s' "$AB_ENV_FILE"; }

monitor_get() {
	[[ -x $(monitor_binary) ]] || die "the monitor is not built. What to do: ./run.sh build"
}

monitor_start() {
	spawn monitor "$(monitor_marker)" "$(id -un)" "$(monitor_binary)" --web -e "$AB_ENV_FILE"
}

monitor_ready() { http_ok "http://127.0.0.1:$WEB_PORT/"; }
monitor_stop() { stop_process monitor TERM 15; }
