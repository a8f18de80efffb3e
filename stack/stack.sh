#!/usr/bin/env bash
# Starts and stops the neighbours of the engine, natively. stack/README.md is the page to read.
#
#   stack/stack.sh get     [SERVICE…]   download what is missing into the cache
#   stack/stack.sh check   [SERVICE…]   ports, memory and disk that they need are free (without names: of all)
#   stack/stack.sh up      [SERVICE…]   start what is not running, wait until it answers
#   stack/stack.sh create  [PART…]      database, tables, topics, connector (postgres kafka connect); may be repeated
#   stack/stack.sh down    [SERVICE…]   stop in order; data stay
#   stack/stack.sh kill    SERVICE…     kill -9, for tests
#   stack/stack.sh status               one line per service; fails when one is dead
#   stack/stack.sh counts               rows, records, documents of every part
#   stack/stack.sh logs    SERVICE      the service's log, followed (-n LINES: print these and end)
#   stack/stack.sh init [--from WHERE]  what the engine needs in the sinks (anabranch init); repeating it changes nothing
#   stack/stack.sh seed                 CONTENT_ROWS contents; repeating it changes nothing
#   stack/stack.sh env                  the addresses as lines of an .env file, for the engine
#   stack/stack.sh wipe                 stop all and remove all data, positions and logs
#
# SERVICE: postgres redis kafka connect elasticsearch bigquery, and engine, loadgen and monitor when they are built.
# From the environment: AB_STACK_DIR, AB_STACK_PORT_SHIFT, AB_ENV_FILE, AB_CACHE_DIR, every *_PORT (stack/env.sh).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=stack/env.sh
source "$here/env.sh"
# shellcheck source=stack/lib.sh
source "$here/lib.sh"
for file in "$here"/services/*.sh; do
	# shellcheck source=/dev/null
	source "$file"
done

# In the order of starting; stopping goes backwards. Connect waits for Kafka and PostgreSQL.
NEIGHBOURS=(postgres redis kafka bigquery elasticsearch connect)
SERVICES=("${NEIGHBOURS[@]}" engine loadgen monitor)
# Elasticsearch and Connect need half a minute on two busy cores; a broker that died may have to read its whole log.
READY_SECONDS=180
# Free disk below which nothing is started: logs, segments and indexes need room to grow.
DISK_MINIMUM_MB=3000

check_names() {
	local name
	for name in "$@"; do
		[[ " ${SERVICES[*]} " == *" $name "* ]] || {
			printf 'error: there is no service "%s". Services: %s\n' "$name" "${SERVICES[*]}" >&2
			exit 64
		}
	done
}

is_up() { running_pid "$1" > /dev/null; }

# --- before anything starts ----------------------------------------------------------------------------------------

check_ports() {
	local service name port problems=0
	for service in "$@"; do
		while read -r name port; do
			if [[ -n $port ]] && port_stays_taken "$port"; then
				printf 'error: port %s, wanted by %s (%s), is taken by %s.\n' "$port" "$service" "$name" "$(port_owner "$port")" >&2
				problems=$((problems + 1))
			fi
		done < <("${service}_ports")
	done
	((problems == 0)) && return
	printf '  What to do: stop that process, or set another port of that name %s.\n' "$(port_place)" >&2
	return 1
}

port_place() {
	if ((AB_STACK_PORT_SHIFT == 0)) && [[ -n $AB_ENV_FILE ]]; then printf 'in %s' "$AB_ENV_FILE"; else printf 'in the environment'; fi
}

# A port that a service held when it died is free again in a moment.
port_stays_taken() {
	local tries=0
	while port_is_taken "$1"; do
		tries=$((tries + 1))
		((tries < 15)) || return 0
		sleep 0.2
	done
	return 1
}

check_hosts() {
	local name
	for name in POSTGRES_HOST REDIS_HOST ELASTICSEARCH_HOST BIGQUERY_HOST; do
		case ${!name} in
		127.0.0.1 | localhost) ;;
		*) die "$name=${!name}: this starts neighbours on this machine only. What to do: set it to 127.0.0.1, or run the
  engine alone against yours: build/release/anabranch init -e FILE, then build/release/anabranch run -e FILE." ;;
		esac
	done
	[[ $KAFKA_BOOTSTRAP_SERVERS =~ ^(127\.0\.0\.1|localhost):$KAFKA_PORT$ ]] ||
		die "KAFKA_BOOTSTRAP_SERVERS=$KAFKA_BOOTSTRAP_SERVERS is not the broker that is started here (127.0.0.1:$KAFKA_PORT).
  What to do: make the two agree, or run the engine alone against your Kafka."
}

check_room() {
	local service needed=0 available disk
	for service in "$@"; do
		needed=$((needed + $("${service}_memory_mb")))
	done
	available=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
	disk=$(df -Pm "$AB_STACK_DIR" | awk 'NR == 2 { print $4 }')
	if ((available < needed)); then
		limit "about $needed MB of memory are needed for $*, and $available MB are free" "stop something else (free -h)"
	fi
	if ((disk < DISK_MINIMUM_MB)); then
		limit "at least $DISK_MINIMUM_MB MB of disk are needed in $AB_STACK_DIR, and $disk MB are free" "free some (df -h)"
	fi
}

limit() {
	if [[ -n ${AB_STACK_NO_LIMITS:-} ]]; then
		warn "$1; going on, since AB_STACK_NO_LIMITS is set"
	else
		die "$1.
  What to do: $2, or set AB_STACK_NO_LIMITS=1 to try all the same."
	fi
}

# --- verbs ---------------------------------------------------------------------------------------------------------

run_get() {
	local service failed=0
	for service in "$@"; do
		"${service}_get" || failed=1
	done
	return $failed
}

# What would keep services that do not run from starting.
check_all() {
	check_hosts
	check_ports "$@"
	check_room "$@"
}

# Better found before any of them runs.
run_check() {
	local service missing=()
	mkdir -p "$AB_STACK_DIR"
	for service in "$@"; do
		is_up "$service" || missing+=("$service")
	done
	((${#missing[@]} == 0)) || check_all "${missing[@]}"
}

run_up() {
	local service slow=() missing=()
	mkdir -p "$AB_STACK_DIR" "$AB_RUN_DIR" "$AB_LOG_DIR" "$AB_DATA_DIR"
	exec 9> "$AB_RUN_DIR/lock"
	flock 9
	for service in "$@"; do
		if ! is_up "$service"; then
			missing+=("$service")
		elif "${service}_ready"; then
			progress_done "$service" "runs (pid $(running_pid "$service"))"
		else
			slow+=("$service")
		fi
	done
	if ((${#missing[@]} > 0)); then
		check_all "${missing[@]}"
		for service in "${missing[@]}"; do
			progress "$service" "getting what it needs"
			"${service}_get" || { progress_done "$service" "FAILED"; return 1; }
		done
	fi
	UP_SINCE=$(now_ms)
	start_all "${missing[@]}" && await_all "${slow[@]}" "${missing[@]}"
}

# All are started before any is waited for, except Connect, which gives up when Kafka does not answer.
start_all() {
	local service
	for service in "$@"; do
		[[ $service == connect ]] || "${service}_start" || return 1
	done
	if [[ " $* " == *" connect "* ]]; then
		while is_up kafka && ! kafka_ready && (($(now_ms) - UP_SINCE < READY_SECONDS * 1000)); do
			progress kafka "starting $(seconds_since "$UP_SINCE") s"
			sleep 0.2
		done
		connect_start
	fi
}

# One that fails does not keep the others from being waited for.
await_all() {
	local service failed=()
	for service in "$@"; do
		if [[ $service == bigquery ]] && bigquery_is_building; then
			progress_done bigquery "is being built (minutes, $(log_file bigquery)); its sink joins when it answers"
			continue
		fi
		wait_ready "$service" $READY_SECONDS || failed+=("$service")
	done
	((${#failed[@]} == 0)) && return
	printf 'error: not running: %s. The others are.\n' "${failed[*]}" >&2
	return 1
}

run_down() {
	local i names=("$@")
	for ((i = ${#names[@]} - 1; i >= 0; i--)); do
		"${names[i]}_stop"
	done
}

run_create() {
	local service
	(($# > 0)) || set -- postgres kafka connect
	for service in "$@"; do
		case $service in
		postgres) postgres_create && progress_done postgres "database $POSTGRES_DB with its tables" || return 1 ;;
		kafka) kafka_create && progress_done kafka "topics, $KAFKA_PARTITIONS partitions each" || return 1 ;;
		connect) connect_create && progress_done connect "connector $CONNECTOR runs, exactly once" || return 1 ;;
		*) die "nothing is created in $service: postgres, kafka or connect." ;;
		esac
	done
}

run_kill() {
	local service
	for service in "$@"; do
		kill_process "$service" || die "$service is not running. stack/stack.sh status shows what is."
	done
}

run_wipe() {
	local link
	run_down "${SERVICES[@]}"
	for link in "$AB_DATA_DIR"/*; do
		[[ -L $link && $(readlink -f "$link") == /var/lib/anabranch/* ]] && rm -rf "$(readlink -f "$link")"
	done
	rm -rf "$AB_DATA_DIR" "$AB_LOG_DIR" "$AB_RUN_DIR" "$AB_STACK_DIR/conf"
}

# --- looking -------------------------------------------------------------------------------------------------------

# One line per service: what it is, whether it answers, and for one that does not the command that starts only it.
run_status() {
	local service dead=0
	printf '  %-14s %-9s %-8s %-9s %-9s %s\n' SERVICE STATE PID SINCE MEMORY PORTS
	for service in "${SERVICES[@]}"; do
		status_line "$service" || dead=$((dead + 1))
	done
	if is_up connect && connect_ready && [[ $(connect_state) != "RUNNING RUNNING" ]]; then
		printf '  %-14s %s      restart only it: stack/stack.sh create\n' connector "$(connect_state)"
		dead=$((dead + 1))
	fi
	((dead == 0))
}

status_line() {
	local service=$1 pid state=ready
	if ! pid=$(running_pid "$service"); then
		[[ -s $(pid_file "$service") ]] && state=dead || state=stopped
		printf '  %-14s %-9s restart only it: stack/stack.sh up %s\n' "$service" "$state" "$service"
		# A pipeline may well run without generator or engine; one that died is another matter.
		[[ $state == stopped && " ${NEIGHBOURS[*]} " != *" $service "* ]]
		return
	fi
	"${service}_ready" 2> /dev/null || state="no answer"
	if [[ $service == bigquery ]] && bigquery_is_building; then
		state=building
	fi
	printf '  %-14s %-9s %-8s %-9s %-9s %s\n' "$service" "$state" "$pid" "$(ps -o etime= -p "$pid" | tr -d ' ')" \
		"$(memory_of "$pid")" "$("${service}_ports" | awk '{ printf "%s ", $2 }')"
	[[ $state != "no answer" ]] || printf '  %-14s its log: %s; restart only it: stack/stack.sh down %s && stack/stack.sh up %s\n' \
		'' "$(log_file "$service")" "$service" "$service"
	[[ $state != "no answer" ]]
}

# Resident memory of the process and those of its group (Elasticsearch's launcher is not its server).
memory_of() { ps -o rss= -g "$1" -p "$1" | awk '{ sum += $1 } END { printf "%d MB", sum / 1024 }'; }

run_counts() {
	local service lines status=0
	for service in "${NEIGHBOURS[@]}"; do
		if ! is_up "$service" || ! "${service}_ready" || ! lines=$("${service}_counts"); then
			lines="does-not-answer -"
			status=1
		fi
		awk -v service="$service" '{ printf "  %-14s %-36s %s %s\n", service, $1, $2, $3 }' <<< "$lines"
	done
	return $status
}

run_logs() {
	local lines='' service=''
	while (($# > 0)); do
		case $1 in
		-n) lines=$2; shift ;;
		*) service=$1 ;;
		esac
		shift
	done
	[[ -n $service ]] || die "which service? ${SERVICES[*]}"
	check_names "$service"
	[[ -f $(log_file "$service") ]] || die "$service has no log yet: $(log_file "$service")"
	if [[ -n $lines ]]; then
		tail -n "$lines" "$(log_file "$service")"
	else
		exec tail -n 40 -F "$(log_file "$service")"
	fi
}

main() {
	local verb=${1:-help}
	shift || true
	case $verb in
	get | check | up | down)
		check_names "$@"
		if (($# > 0)); then
			"run_$verb" "$@"
		elif [[ $verb == down || $verb == check ]]; then
			"run_$verb" "${SERVICES[@]}"
		else
			"run_$verb" "${NEIGHBOURS[@]}"
		fi
		;;
	kill)
		(($# > 0)) || die "which service? ${SERVICES[*]}"
		check_names "$@"
		run_kill "$@"
		;;
	create) run_create "$@" ;;
	status | counts | wipe) "run_$verb" ;;
	logs) run_logs "$@" ;;
	env) print_engine_env ;;
	init) engine_create "$@" ;;
	seed) loadgen_create ;;
	become-goccy) goccy_become "$@" ;;
	help | -h | --help) sed -n '2,/^set -e/{/^#/s/^# \{0,1\}//p}' "$0" ;;
	*)
		printf 'error: "%s" is not known. stack/stack.sh help shows what is.\n' "$verb" >&2
		exit 64
		;;
	esac
}

main "$@"
