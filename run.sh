#!/usr/bin/env bash
# Anabranch: PostgreSQL -> Debezium -> Kafka -> Anabranch -> Redis, BigQuery, Elasticsearch, on this machine.
#
#   ./run.sh start                 build what is needed, start everything, show that rows arrive
#   ./run.sh status                one line per service; names a dead one and the command that restarts only it
#   ./run.sh logs engine           follow a log (without a name: all of them)
#   ./run.sh monitor               the pipeline on this terminal, live
#   ./run.sh test                  health and row counts of every part
#   ./run.sh verify                compare PostgreSQL, Kafka and every sink (docs/VERIFY.md); takes verify's options
#   ./run.sh stress [OPTION...]    a staged stress test of the running pipeline, with a report (docs/LOADGEN.md)
#   ./run.sh stop                  stop everything; data stay
#
#   start [--resetdb] [-y]         --resetdb empties database, topics, positions and all sinks together, after asking
#         [--no-generator]         no generated rows
#         [--no-monitor]           do not open the monitor at the end (without a terminal it is never opened)
#         [--docker]               in containers by docker-compose.yml, same names and ports
#   restart [--resetdb] [...]      stop, then start
#   build                          the engine and the generator, into build/release
#   check [--quick]                every test there is; --quick leaves out what needs the neighbours
#   clean [-y]                     stop, remove all data and build products, after asking; downloads stay
#   help                           this page
#
# Settings come from .env (made from .env.example at the first start). stack/README.md says what lies where.
set -euo pipefail

cd "$(dirname "$0")"
# shellcheck source=stack/env.sh
source stack/env.sh
# shellcheck source=stack/lib.sh
source stack/lib.sh
# shellcheck source=stack/tour.sh
source stack/tour.sh

STACK=$AB_ROOT/stack/stack.sh
# Which way the last start went, so that stop, status and logs go the same.
MODE_FILE=$AB_STACK_DIR/mode

confirm() {
	local answer
	[[ $1 != yes ]] || return 0
	[[ -t 0 ]] || die "$2 asks first, and there is no terminal to answer on. What to do: add -y."
	printf '%s Type yes: ' "$3"
	read -r answer
	[[ $answer == yes ]] || die "nothing was changed."
}

uses_docker() { [[ -f $MODE_FILE && $(< "$MODE_FILE") == docker ]]; }

# --- build ---------------------------------------------------------------------------------------------------------

# The groups of packages, then the library that Debian 12 has too old, then the two programs.
build() {
	local log=$AB_LOG_DIR/build.log
	mkdir -p "$AB_LOG_DIR"
	stack/packages.sh build
	stack/librdkafka.sh
	progress build "configuring"
	if ! { cmake --preset release && progress build "compiling" >&3 &&
		cmake --build --preset release --target anabranch anabranch-loadgen anabranch-monitor; } 3>&1 > "$log" 2>&1; then
		progress_done build "FAILED"
		{ grep -m 5 -E -A 6 'error|Error|FAILED' "$log" || tail -n 15 "$log"; } | sed 's/^/    | /' >&2
		die "the build failed; all of it is in $log. What to do: fix what it names, then ./run.sh build."
	fi
	progress_done build "build/release/anabranch, anabranch-loadgen, anabranch-monitor"
}

# --- start ---------------------------------------------------------------------------------------------------------

start() {
	local reset=no generator=yes docker=no yes=no monitor=yes
	while (($# > 0)); do
		case $1 in
		--resetdb) reset=yes ;;
		--no-generator) generator=no ;;
		--no-monitor) monitor=no ;;
		--docker) docker=yes ;;
		-y | --yes) yes=yes ;;
		*) usage_error "start does not know $1" ;;
		esac
		shift
	done
	if [[ $reset == yes ]]; then
		confirm "$yes" "start --resetdb" \
			"This removes the database, the topics, the positions and everything in Redis, Elasticsearch and BigQuery of $AB_STACK_DIR."
	fi
	make_env_file
	mkdir -p "$AB_STACK_DIR"
	if [[ $docker == yes ]]; then
		docker_start "$reset" "$generator"
	else
		native_start "$reset" "$generator"
	fi
	if [[ $monitor == yes && -t 0 && -t 1 ]]; then
		say "The monitor opens in 5 s (q leaves it, the pipeline goes on; Ctrl-C now keeps this page)."
		sleep 5
		monitor --interval 1
	fi
}

make_env_file() {
	[[ -n $AB_ENV_FILE && ! -f $AB_ENV_FILE ]] || return 0
	cp .env.example "$AB_ENV_FILE"
	say "settings: $AB_ENV_FILE was made from .env.example"
}

native_start() {
	local reset=$1 generator=$2 begin
	begin=$(now_ms)
	if uses_docker; then
		die "the pipeline runs in containers. What to do: ./run.sh stop first."
	fi
	build_and_download
	if [[ $reset == yes ]]; then
		say "Reset"
		"$STACK" wipe
	fi
	"$STACK" check
	echo native > "$MODE_FILE"
	say "Neighbours"
	"$STACK" up
	"$STACK" create
	say "Engine"
	"$STACK" init
	"$STACK" seed
	progress_done contents "$CONTENT_ROWS, seeded"
	"$STACK" up engine
	if [[ $generator == yes ]]; then
		"$STACK" up loadgen
	fi
	"$STACK" up monitor
	tour "$generator"
	say ""
	say "Started in $(seconds_since "$begin") s. ./run.sh status | test | logs engine | stop"
}

# Downloads wait for the network and the build for the processor, so they go together.
build_and_download() {
	local log=$AB_LOG_DIR/get.log pid
	mkdir -p "$AB_LOG_DIR"
	stack/packages.sh build stack
	"$STACK" get > "$log" 2>&1 &
	pid=$!
	build
	progress downloads "Kafka, Debezium, Elasticsearch, BigQuery emulator"
	if ! wait "$pid"; then
		progress_done downloads "FAILED"
		cat "$log" >&2
		exit 1
	fi
	progress_done downloads "all in $AB_CACHE_DIR"
}

stop() {
	if uses_docker; then
		docker_compose --profile generator stop
	else
		"$STACK" down
	fi
	rm -f "$MODE_FILE"
}

# In this terminal, until q. The pipeline is not touched.
monitor() {
	[[ -x build/release/anabranch-monitor ]] || die "the monitor is not built. What to do: ./run.sh build"
	build/release/anabranch-monitor ${AB_ENV_FILE:+-e "$AB_ENV_FILE"} "$@"
}

# --- looking -------------------------------------------------------------------------------------------------------

status() {
	if uses_docker; then
		docker_compose --profile generator ps --all
	else
		"$STACK" status
	fi
}

logs() {
	if uses_docker; then
		docker_compose --profile generator logs --tail 40 -f "$@"
	elif (($# > 0)); then
		"$STACK" logs "$@"
	else
		compgen -G "$AB_LOG_DIR/*.log" > /dev/null || die "there are no logs yet in $AB_LOG_DIR. What to do: ./run.sh start"
		exec tail -n 5 -F "$AB_LOG_DIR"/*.log
	fi
}

# Health, then counts. Fails when a part is dead or does not answer.
test_all() {
	local failed=0
	status || failed=1
	if ! uses_docker; then
		say ""
		"$STACK" counts || failed=1
		say ""
		engine_numbers || failed=1
	fi
	if ((failed)); then
		say "Not all is well: see above."
	else
		say "All parts answer."
	fi
	return $failed
}

# Every sink against the log; the exit code is verify's own.
verify() {
	if uses_docker; then
		docker_compose exec engine anabranch verify "$@"
	else
		[[ -x build/release/anabranch ]] || die "build/release/anabranch is not there. What to do: ./run.sh build"
		build/release/anabranch verify -e "$AB_ENV_FILE" "$@"
	fi
}

# The options are those of anabranch-loadgen stress. The generator would be counted as part of the test, so it rests
# meanwhile. The exit status is the test's: 99 when a threshold was crossed.
stress() {
	local generator=no status=0 out
	out=$AB_STACK_DIR/stress/$(date +%Y-%m-%dT%H%M%S)
	if uses_docker; then
		die "the pipeline runs in containers. What to do: build/release/anabranch-loadgen stress with their addresses in .env."
	fi
	stack/packages.sh pages || say "without npm there is no report.html, only results.json"
	if http_ok "http://127.0.0.1:$METRICS_PORT/readyz"; then
		build
	else
		start --no-generator
	fi
	if running_pid loadgen > /dev/null; then
		generator=yes
		"$STACK" down loadgen
	fi
	"$AB_ROOT/build/release/anabranch-loadgen" stress -e "$AB_ENV_FILE" --out "$out" "$@" || status=$?
	if [[ $generator == yes ]]; then
		"$STACK" up loadgen
	fi
	return $status
}

# --- containers ----------------------------------------------------------------------------------------------------

docker_compose() {
	docker compose --env-file "${AB_ENV_FILE:-/dev/null}" -f docker-compose.yml "$@"
}

docker_start() {
	local reset=$1 generator=$2
	command -v docker > /dev/null || die "docker is not installed. What to do: install it, or leave --docker out."
	docker info > /dev/null 2>&1 || die "no Docker engine answers. What to do: start it (systemctl start docker), or leave --docker out."
	if [[ -f $MODE_FILE ]] && ! uses_docker; then
		die "the pipeline runs natively on the same ports. What to do: ./run.sh stop first."
	fi
	echo docker > "$MODE_FILE"
	if [[ $reset == yes ]]; then
		docker_compose --profile generator down --volumes
	fi
	if [[ $generator == yes ]]; then
		docker_compose --profile generator up --detach --build
	else
		docker_compose up --detach --build
	fi
	docker_await_engine
	say "Metrics: http://127.0.0.1:$METRICS_PORT/metrics   ./run.sh status | logs engine | stop"
}

docker_await_engine() {
	local begin
	begin=$(now_ms)
	until http_ok "http://127.0.0.1:$METRICS_PORT/readyz"; do
		if (($(now_ms) - begin > 300000)); then
			docker_compose logs --tail 20 init engine >&2
			die "the engine is not ready after 300 s. What to do: ./run.sh status shows the container that is not well."
		fi
		progress engine "starting $(seconds_since "$begin") s"
		sleep 1
	done
	progress_done engine "ready after $(seconds_since "$begin") s"
}

# --- the rest ------------------------------------------------------------------------------------------------------

clean() {
	local yes=no
	case ${1:-} in
	-y | --yes) yes=yes ;;
	'') ;;
	*) usage_error "clean does not know $1" ;;
	esac
	confirm "$yes" clean "This stops everything and removes $AB_STACK_DIR and build/ (downloads in $AB_CACHE_DIR stay)."
	if uses_docker; then
		docker_compose --profile generator down --volumes
	fi
	"$STACK" wipe
	rm -rf "$AB_STACK_DIR" build
	say "removed: $AB_STACK_DIR, build/"
}

usage() { sed -n '2,/^set -e/{/^#/s/^# \{0,1\}//p}' run.sh; }

usage_error() {
	printf 'error: %s. ./run.sh help shows what there is.\n' "$1" >&2
	exit 64
}

main() {
	local verb=${1:-help}
	shift || true
	case $verb in
	stop | status | build | test) (($# == 0)) || usage_error "$verb takes nothing" ;;
	esac
	case $verb in
	start | logs | clean | monitor | stress | verify) "$verb" "$@" ;;
	stop | status | build) "$verb" ;;
	restart)
		stop
		start "$@"
		;;
	test) test_all ;;
	check) exec stack/check.sh "$@" ;;
	help | -h | --help) usage ;;
	*) usage_error "\"$verb\" is not known" ;;
	esac
}

main "$@"
