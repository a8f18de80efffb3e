# shellcheck shell=bash
# What every service needs: words for people, pid files, probes, downloads under a lock. Sourced after env.sh.

AB_LOG_DIR=$AB_STACK_DIR/log
AB_RUN_DIR=$AB_STACK_DIR/run
AB_DATA_DIR=$AB_STACK_DIR/data
# A log is moved aside at start when it is larger, so that a year of starts does not fill a disk.
LOG_ROTATE_BYTES=$((16 * 1024 * 1024))

# --- words ---------------------------------------------------------------------------------------------------------

say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# progress SERVICE TEXT: on a terminal one line that changes, elsewhere nothing (progress_done says the result).
progress() {
	[[ -t 1 ]] || return 0
	printf '\r\033[K  %-14s %s' "$1" "$2"
}

progress_done() {
	[[ -t 1 ]] && printf '\r\033[K'
	printf '  %-14s %s\n' "$1" "$2"
}

# --- time ----------------------------------------------------------------------------------------------------------

now_ms() { date +%s%3N; }

# seconds_since MS: "3.2" for a line that a person reads.
seconds_since() {
	local ms=$(($(now_ms) - $1))
	printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

# --- processes -----------------------------------------------------------------------------------------------------

pid_file() { printf '%s/%s.pid' "$AB_RUN_DIR" "$1"; }
log_file() { printf '%s/%s.log' "$AB_LOG_DIR" "$1"; }

# running_pid SERVICE: prints the pid when that process lives and is the service. A pid file alone proves nothing: after
# a reboot another program may have the number, so the command line must hold the marker the service was started with.
running_pid() {
	local file pid marker
	file=$(pid_file "$1")
	[[ -s $file ]] || return 1
	{ read -r pid && read -r marker; } < "$file" || return 1
	is_process "$pid" "$marker" || return 1
	printf '%s' "$pid"
}

is_process() {
	local line
	[[ -r /proc/$1/cmdline && $(process_state "$1") != Z ]] || return 1
	line=$(tr '\0' ' ' < "/proc/$1/cmdline" 2> /dev/null) || return 1
	[[ $line == *"$2"* ]]
}

process_state() {
	local stat
	stat=$(cat "/proc/$1/stat" 2> /dev/null) || return 0
	stat=${stat##*) }
	printf '%s' "${stat%% *}"
}

# session_lives PID: whether anything is left of the session a service was started in. Elasticsearch's server is a child of
# what was started, and outlives it by a moment.
session_lives() { pgrep -s "$1" -r D,R,S,T > /dev/null; }

# as_user USER COMMAND…: runs it as that user; as ourselves when we are that user or are not root.
as_user() {
	local user=$1
	shift
	if [[ $EUID -ne 0 || $user == root ]]; then
		"$@"
	else
		setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups -- env "HOME=/nonexistent" "$@"
	fi
}

# spawn SERVICE MARKER USER COMMAND…: starts it in a session of its own, log appended, pid and marker noted.
# No descriptor of ours is inherited: a lock held by the caller must not live on in the service.
spawn() {
	local service=$1 marker=$2 user=$3 log pid become=()
	shift 3
	mkdir -p "$AB_LOG_DIR" "$AB_RUN_DIR"
	log=$(log_file "$service")
	if [[ -f $log && $(stat -c %s "$log") -gt $LOG_ROTATE_BYTES ]]; then
		mv "$log" "$log.1"
	fi
	printf '%s\n' "--- $(date -Is) start" >> "$log"
	if [[ $EUID -eq 0 && $user != root ]]; then
		become=(setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups --)
	fi
	(close_inherited && cd / && exec setsid "${become[@]}" "$@" >> "$log" 2>&1 < /dev/null) &
	pid=$!
	printf '%s\n%s\n' "$pid" "$marker" > "$(pid_file "$service")"
	# Until it has become the service, its command line is still this shell's.
	while [[ -d /proc/$pid ]] && ! is_process "$pid" "$marker" && [[ $(process_state "$pid") != Z ]]; do
		sleep 0.01
	done
}

# A service outlives its caller: it must keep none of the caller's files open, least of all its locks.
close_inherited() {
	local fd
	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		((fd <= 2)) || eval "exec $fd>&-"
	done
}

# stop_process SERVICE SIGNAL SECONDS: asks, waits, then kills and says so. Stopping what is stopped is no error.
stop_process() {
	local service=$1 signal=$2 seconds=$3 pid begin
	if ! pid=$(running_pid "$service"); then
		rm -f "$(pid_file "$service")"
		return 0
	fi
	begin=$(now_ms)
	kill -s "$signal" "$pid" 2> /dev/null || true
	while running_pid "$service" > /dev/null || session_lives "$pid"; do
		if (($(now_ms) - begin > seconds * 1000)); then
			warn "$service did not stop within $seconds s and was killed. Its log: $(log_file "$service")"
			kill_session "$pid"
			break
		fi
		progress "$service" "stopping $(seconds_since "$begin") s"
		sleep 0.1
	done
	rm -f "$(pid_file "$service")"
	progress_done "$service" "stopped in $(seconds_since "$begin") s"
}

# kill_process SERVICE: kill -9 of the service and of what it started. The pid file stays, so that status says "dead".
kill_process() {
	local pid
	pid=$(running_pid "$1") || return 1
	kill_session "$pid"
}

kill_session() {
	local tries=0
	kill -9 -- "-$1" 2> /dev/null || true
	kill -9 "$1" 2> /dev/null || true
	while session_lives "$1" && ((tries < 500)); do
		tries=$((tries + 1))
		sleep 0.02
	done
}

# While a process becomes another program (setsid, then setpriv, then the service) its command line is empty for a moment.
has_ended() {
	local tries
	for tries in 1 2 3; do
		if running_pid "$1" > /dev/null; then
			return 1
		fi
		sleep "0.$tries"
	done
}

# wait_ready SERVICE SECONDS: until SERVICE_ready succeeds; a process that dies meanwhile ends the wait at once.
wait_ready() {
	local service=$1 seconds=$2 begin=${UP_SINCE:-$(now_ms)}
	while ! "${service}_ready" 2> /dev/null; do
		if has_ended "$service"; then
			service_failed "$service" "ended before it was ready"
			return 1
		fi
		if (($(now_ms) - begin > seconds * 1000)); then
			service_failed "$service" "is not ready after $seconds s"
			return 1
		fi
		progress "$service" "starting $(seconds_since "$begin") s"
		sleep 0.2
	done
	progress_done "$service" "ready, $(seconds_since "$begin") s (pid $(running_pid "$service")$("${service}_ports" | awk 'NR == 1 { printf ", port %s", $2 }'))"
}

# service_failed SERVICE WHAT: the service, what happened, the last lines of its log, what to do.
service_failed() {
	local log
	log=$(log_file "$1")
	progress_done "$1" "FAILED: $2"
	{
		printf 'error: %s %s. The last lines of %s:\n' "$1" "$2" "$log"
		tail -n 60 "$log" 2> /dev/null | grep -vE '^[[:space:]]+(at|\.\.\.) |^[[:space:]]*$' | tail -n 12 | cut -c 1-240 | sed 's/^/    | /'
		printf '  What to do: %s\n' "$(failure_hint "$1" "$log")"
	} >&2
}

# The commonest reasons in words; the log itself for the rest.
failure_hint() {
	local again="stack/stack.sh up $1"
	if tail -n 60 "$2" 2> /dev/null | grep -qiE 'address already in use|BindException'; then
		printf 'another program took its port. Free it or choose another in .env, then %s' "$again"
	elif tail -n 60 "$2" 2> /dev/null | grep -qiE 'No space left'; then
		printf 'the disk is full (df -h %s). Free some space, then %s' "$AB_STACK_DIR" "$again"
	elif tail -n 60 "$2" 2> /dev/null | grep -qiE 'java.lang.OutOfMemoryError|Cannot allocate memory|insufficient memory'; then
		printf 'memory ran out (free -h). Stop something else, then %s' "$again"
	else
		printf 'read the log above, then %s; stack/stack.sh wipe starts from nothing (it removes all data)' "$again"
	fi
}

# --- probes --------------------------------------------------------------------------------------------------------

http_ok() { curl -fsS -m 3 -o /dev/null "$1" 2> /dev/null; }

port_is_taken() { ss -ltnH "sport = :$1" 2> /dev/null | grep -q .; }

# port_owner PORT: "redis-server (pid 42)" where the kernel lets us see it.
port_owner() {
	local line
	line=$(ss -ltnpH "sport = :$1" 2> /dev/null | head -1)
	if [[ $line =~ \(\(\"([^\"]+)\",pid=([0-9]+) ]]; then
		printf '%s (pid %s)' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
	else
		printf 'a process that this user may not see (sudo ss -ltnp shows it)'
	fi
}

# --- places --------------------------------------------------------------------------------------------------------

can_reach() { as_user "$1" test -x "$2"; }

# data_dir SERVICE USER: makes the service's data directory and prints its real path. A service that may not run as root
# has its own user; where that user cannot reach the stack directory (a clone under /root), the data lie under
# /var/lib/anabranch and the stack directory holds a link. The name is random, so no later stack finds old data there.
data_dir() {
	local link=$AB_DATA_DIR/$1 user=$2 real
	if [[ ! -e $link ]]; then
		mkdir -p "$AB_DATA_DIR"
		rm -f "$link"
		if can_reach "$user" "$AB_DATA_DIR"; then
			mkdir "$link"
		else
			mkdir -p /var/lib/anabranch
			chmod 755 /var/lib/anabranch
			real=$(mktemp -d "/var/lib/anabranch/$1.XXXXXX")
			ln -s "$real" "$link"
		fi
	fi
	real=$(readlink -f "$link")
	if [[ $EUID -eq 0 && $(stat -c %U "$real") != "$user" ]]; then
		chown "$user:" "$real"
	fi
	printf '%s' "$real"
}

# cached NAME FUNCTION: $AB_CACHE_DIR/NAME, made by FUNCTION in a directory beside it and renamed when whole. Parallel
# callers wait for the first.
cached() {
	local name=$1 make=$2 work status=0
	[[ -e $AB_CACHE_DIR/$name ]] && return 0
	mkdir -p "$AB_CACHE_DIR"
	(
		flock 8
		[[ -e $AB_CACHE_DIR/$name ]] && exit 0
		work=$(mktemp -d "$AB_CACHE_DIR/.$name.XXXXXX")
		chmod 755 "$work"
		if "$make" "$work"; then
			mv "$work" "$AB_CACHE_DIR/$name"
		else
			rm -rf "$work"
			exit 1
		fi
	) 8> "$AB_CACHE_DIR/.lock-$name" || status=1
	return $status
}

# A download that failed: what, the client's own last words, what to do.
download_failed() {
	printf 'error: %s could not be downloaded.\n' "$1" >&2
	{ grep -m 2 -E 'ERROR' "$2" || tail -n 5 "$2"; } 2> /dev/null | sed 's/\x1b\[[0-9;]*m//g' | cut -c 1-240 | sed 's/^/    | /' >&2
	printf '  What to do: see that this machine is online (and its proxy settings), then run the same command again.\n' >&2
	printf '  What is downloaded once is kept in %s and works offline.\n' "$AB_CACHE_DIR" >&2
}

# --- Java ----------------------------------------------------------------------------------------------------------

# java_home MINIMUM: prints the home of the first JDK that is new enough.
java_home() {
	local home
	for home in "${JAVA_HOME:-}" /usr/lib/jvm/default-java /usr/lib/jvm/*; do
		[[ -n $home && -x $home/bin/java ]] || continue
		if (($(java_major "$home") >= $1)); then
			printf '%s' "$home"
			return 0
		fi
	done
	home=$(readlink -f "$(command -v java)" 2> /dev/null) || return 1
	home=${home%/bin/java}
	[[ -x $home/bin/java ]] && (($(java_major "$home") >= $1)) && printf '%s' "$home"
}

java_major() {
	local version
	version=$("$1/bin/java" -version 2>&1 | head -1)
	if [[ $version =~ \"([0-9]+) ]]; then
		printf '%s' "${BASH_REMATCH[1]}"
	else
		printf 0
	fi
}

# json_escape TEXT: for values put into a JSON file by hand.
json_escape() {
	local text=${1//\\/\\\\}
	printf '%s' "${text//\"/\\\"}"
}

# apt_line PACKAGE…: what to type when something is missing.
apt_line() {
	local sudo=''
	[[ $EUID -eq 0 ]] || sudo='sudo '
	printf 'What to do: %sapt-get install -y --no-install-recommends %s' "$sudo" "$*"
}
