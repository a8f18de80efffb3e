#!/usr/bin/env bash
# Every test there is, as a list of named steps.
#
#   stack/check.sh            all of it; the neighbours run in .stack-check on ports of their own, a running pipeline is left alone
#   stack/check.sh --quick    without what needs the neighbours
#   stack/check.sh --list     the names of the steps
#   stack/check.sh --only N   only the steps whose name holds N (what they need must be built already)
#
# The last line is "N passed, N failed": single tests where a runner counts them, steps where not. Fails when any failed.
# Each step's output lies in build/check/STEP.log; the end of a failed one is shown.
set -euo pipefail

cd "$(dirname "$0")/.."
# The check's own pipeline. Nothing of the caller's .env or ports may reach it.
unset POSTGRES_PORT KAFKA_PORT KAFKA_CONTROLLER_PORT CONNECT_PORT REDIS_PORT ELASTICSEARCH_PORT \
	ELASTICSEARCH_TRANSPORT_PORT BIGQUERY_PORT BIGQUERY_GRPC_PORT METRICS_PORT WEB_PORT KAFKA_BOOTSTRAP_SERVERS
export AB_STACK_DIR=$PWD/.stack-check AB_STACK_PORT_SHIFT=20000 AB_ENV_FILE=$PWD/.stack-check/engine.env
# shellcheck source=stack/env.sh
source stack/env.sh
# shellcheck source=stack/lib.sh
source stack/lib.sh

LOGS=$PWD/build/check
# The end-to-end tests as a whole; beyond it something hangs.
END_TO_END_SECONDS=3300
PASSED=0
FAILED=0
FAILED_STEPS=()
QUICK=no
LIST=no
ONLY=''
BESIDE=no

# --- the runner ----------------------------------------------------------------------------------------------------

# step NAME COMMAND…: a step counts as one, unless the command leaves "PASSED FAILED" in $COUNTS.
step() {
	if [[ $LIST == yes ]]; then
		say "$1"
	elif ! is_wanted "$1"; then
		return
	elif [[ $BESIDE == yes ]]; then
		run_step "$@"
		echo "$1" >> "$LOGS/beside"
	else
		progress "$1" "running"
		run_step "$@"
		tell_step "$1"
	fi
}

is_wanted() { [[ -z $ONLY || $1 == *"$ONLY"* ]]; }

# Leaves "STATUS SECONDS" in NAME.result.
run_step() {
	local name=$1 begin status
	shift
	begin=$(now_ms)
	COUNTS=$LOGS/$name.counts
	rm -f "$COUNTS"
	# In a shell of its own and outside of any condition: there alone does set -e work in what is called.
	set +e
	(set -e; "$@") > "$LOGS/$name.log" 2>&1
	status=$?
	set -e
	echo "$status $(seconds_since "$begin")" > "$LOGS/$name.result"
}

# A failed step whose runner counted no failure (it crashed, or did not even start) counts as one failure.
tell_step() {
	local name=$1 log=$LOGS/$1.log status seconds passed failed
	read -r status seconds < "$LOGS/$name.result"
	failed=$((status != 0))
	passed=$((1 - failed))
	if [[ -s $LOGS/$name.counts ]]; then
		read -r passed failed < "$LOGS/$name.counts"
		if ((status != 0 && failed == 0)); then
			failed=1
		fi
	fi
	PASSED=$((PASSED + passed))
	FAILED=$((FAILED + failed))
	if ((failed == 0)); then
		progress_line ok "$name" "$passed passed, $seconds s"
	else
		FAILED_STEPS+=("$name")
		progress_line FAILED "$name" "$passed passed, $failed failed, $seconds s; all of it: ${log#"$PWD/"}"
		tail -n 25 "$log" | cut -c 1-200 | sed 's/^/    | /'
	fi
}

# beside FUNCTION: its steps run beside what follows, and await_beside tells how they ended: while one half of a check waits
# for Java, the other compiles.
beside() {
	if [[ $LIST == yes ]]; then
		"$1"
		return
	fi
	: > "$LOGS/beside"
	(BESIDE=yes; "$1") &
	BESIDE_PID=$!
}

await_beside() {
	local name
	[[ $LIST == no ]] || return 0
	wait "$BESIDE_PID"
	while read -r name; do
		tell_step "$name"
	done < "$LOGS/beside"
}

progress_line() {
	[[ ! -t 1 ]] || printf '\r\033[K'
	printf '  %-7s %-26s %s\n' "$@"
}

# --- builds and what they run --------------------------------------------------------------------------------------

build_preset() {
	cmake --preset "$1" -DAB_WERROR=ON
	cmake --build --preset "$1" -j 2
}

# In the whole check it runs beside the end-to-end tests, which wait most of the time: it takes what they leave, and must
# not make them late.
build_quietly() {
	cmake --preset "$1" -DAB_WERROR=ON
	nice -n 19 cmake --build --preset "$1" -j 2
}

# run_ctest PRESET PARALLEL: counts Criterion's own tests where an executable holds many.
run_ctest() {
	local status=0
	[[ -f build/$1/CTestTestfile.cmake ]] || { echo "build/$1 is not there: its build failed"; return 1; }
	rm -f "build/$1/Testing/Temporary/LastTest.log"
	ctest --test-dir "build/$1" --output-on-failure -j "$2" --timeout 900 --no-tests=error || status=$?
	count_ctest "build/$1/Testing/Temporary/LastTest.log" > "$COUNTS"
	return $status
}

# Criterion ends with "Synthesis: Tested: 4 | Passing: 3 | Failing: 1 | Crashing: 0"; other programs count as one test.
count_ctest() {
	sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
		/^[0-9]+\/[0-9]+ Test: / { own = 0; bad = 0 }
		/Synthesis: Tested:/ {
			gsub(/[^0-9|]/, ""); split($0, n, "|"); own = 1; bad = n[3] + n[4]; passed += n[2]; failed += bad
		}
		/^Test Passed\./ { if (!own) passed++ }
		/^Unable to find executable/ { failed++ }
		/^Test Failed|^Test Timeout/ { if (!own || bad == 0) failed++ }
		END { print passed + 0, failed + 0 }'
}

check_shell() {
	local files
	mapfile -t files < <(git ls-files -co --exclude-standard '*.sh' .ci/run)
	shellcheck -x "${files[@]}"
}

# The Python of the tests parses and has type hints on every function.
check_python() {
	local files
	mapfile -t files < <(git ls-files -co --exclude-standard '*.py')
	((${#files[@]} == 0)) || "$("$AB_ROOT/stack/python.sh" --find)" stack/check_python.py "${files[@]}"
}

check_compose() {
	docker compose -f docker-compose.yml --profile generator config --quiet
}

# --- the neighbours ------------------------------------------------------------------------------------------------

neighbours_from_nothing() {
	stack/stack.sh wipe
	stack/stack.sh up
	stack/stack.sh create
	stack/stack.sh env > "$AB_ENV_FILE"
}

# Data of every service are there after stop and start, and twice of each is no error. The time is only told: how loaded a
# machine is must not fail a test.
neighbours_again() {
	local begin took
	redis_cli SET check:kept yes
	curl -fsS -X PUT -H 'Content-Type: application/json' "http://127.0.0.1:$ELASTICSEARCH_PORT/check-kept/_doc/1?refresh=true" -d '{"kept":1}'
	psql_user -c "CREATE TABLE IF NOT EXISTS check_kept (n int); INSERT INTO check_kept VALUES (1)"
	stack/stack.sh down
	stack/stack.sh down
	begin=$(now_ms)
	stack/stack.sh up
	stack/stack.sh up
	stack/stack.sh create
	took=$((($(now_ms) - begin) / 1000))
	echo "started again in $took s"
	[[ $(redis_cli GET check:kept) == yes ]]
	curl -fsS "http://127.0.0.1:$ELASTICSEARCH_PORT/check-kept/_doc/1" | grep -q '"found":true'
	[[ $(psql_user -c "SELECT count(*) > 0 FROM check_kept") == t ]]
	psql_user -c "DROP TABLE check_kept"
	redis_cli DEL check:kept
	curl -fsS -X DELETE "http://127.0.0.1:$ELASTICSEARCH_PORT/check-kept"
}

# Every service comes back after kill -9, one after the other, and status says which one is dead meanwhile.
neighbours_killed() {
	local service
	for service in postgres redis kafka connect elasticsearch bigquery; do
		stack/stack.sh kill "$service"
		if stack/stack.sh status > "$LOGS/status.txt"; then
			echo "status found nothing wrong after kill -9 of $service"
			return 1
		fi
		grep -qE "^ *$service +dead +restart only it: stack/stack.sh up $service" "$LOGS/status.txt"
		stack/stack.sh up "$service"
	done
	stack/stack.sh create
	stack/stack.sh status
}

# A port that another program holds is named with the service and the program, before anything is started.
neighbours_port_taken() {
	local pid answer
	stack/stack.sh down redis
	python3 -m http.server --bind 127.0.0.1 "$REDIS_PORT" > /dev/null 2>&1 &
	pid=$!
	until port_is_taken "$REDIS_PORT"; do sleep 0.1; done
	answer=$(! stack/stack.sh up redis 2>&1)
	kill "$pid"
	wait "$pid" || true
	echo "$answer"
	grep -q "port $REDIS_PORT, wanted by redis (REDIS_PORT), is taken by python3* (pid $pid)" <<< "$answer"
	stack/stack.sh up redis
}

redis_cli() { redis-cli -h 127.0.0.1 -p "$REDIS_PORT" "$@"; }

psql_user() {
	PGPASSWORD=$POSTGRES_PASSWORD psql -X -q -At -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$POSTGRES_PORT" -U "$POSTGRES_USER" \
		-d "$POSTGRES_DB" "$@"
}

# On a machine that does something else meanwhile, a neighbour may not come up in time: what failed is tried once more by
# itself, after the neighbours were made sure of, and the log says which tests needed that. What fails twice has failed.
end_to_end() {
	local report=$LOGS/end-to-end.xml again=$LOGS/end-to-end-again.xml status=0 first second
	stack/python.sh
	rm -rf "$report" "$again" "$LOGS/pytest-cache"
	run_pytest "$report" || status=$?
	[[ -f $report ]] || return 1
	count_junit "$report" > "$COUNTS"
	if ((status == 1)); then
		stack/stack.sh up
		stack/stack.sh create
		echo "--- what failed, once more"
		status=0
		run_pytest "$again" --last-failed || status=$?
		[[ -f $again ]] || return 1
		read -r first _ < "$COUNTS"
		second=$(count_junit "$again")
		echo "$((first + ${second% *})) ${second#* }" > "$COUNTS"
	fi
	return $status
}

run_pytest() {
	local report=$1
	shift
	timeout --kill-after=30 "$END_TO_END_SECONDS" "$AB_CACHE_DIR/venv/bin/python" -m pytest -q -ra --tb=short \
		--junitxml "$report" -o cache_dir="$LOGS/pytest-cache" --durations=10 "$@" tests/e2e
}

# A skipped test was not shown to work, so it counts as failed.
count_junit() {
	python3 - "$1" <<- 'PYTHON'
		import sys
		import xml.etree.ElementTree as tree
		suites = list(tree.parse(sys.argv[1]).getroot().iter("testsuite"))
		total = sum(int(s.get("tests", "0")) for s in suites)
		bad = sum(int(s.get(k, "0")) for s in suites for k in ("failures", "errors", "skipped"))
		print(total - bad, bad)
	PYTHON
}

# --- the list ------------------------------------------------------------------------------------------------------

sources() {
	step shellcheck check_shell
	step python check_python
	if docker compose version > /dev/null 2>&1; then
		step compose check_compose
	fi
	step build-gcc build_preset release
	step unit run_ctest release 2
}

other_builds() {
	step build-clang build_quietly clang
	step build-asan build_quietly asan
	step build-tsan build_quietly tsan
	step build-fuzz build_quietly fuzz
}

tests_of_other_builds() {
	step unit-asan run_ctest asan 2
	step stress-tsan run_ctest tsan 1
	step fuzz run_ctest fuzz 2
}

neighbours() {
	step neighbours-from-nothing neighbours_from_nothing
	step neighbours-again neighbours_again
	step neighbours-killed neighbours_killed
	step neighbours-port-taken neighbours_port_taken
}

quick() {
	sources
	other_builds
	tests_of_other_builds
}

whole() {
	beside neighbours
	sources
	await_beside
	beside other_builds
	step end-to-end end_to_end
	if [[ $LIST == no ]]; then
		stack/stack.sh down > "$LOGS/neighbours-down.log" 2>&1
	fi
	await_beside
	tests_of_other_builds
}

main() {
	local begin
	while (($# > 0)); do
		case $1 in
		--quick) QUICK=yes ;;
		--list) LIST=yes ;;
		--only) ONLY=${2:?--only wants a name}; shift ;;
		*) printf 'error: check does not know %s. It knows --quick, --list and --only NAME.\n' "$1" >&2; exit 64 ;;
		esac
		shift
	done
	begin=$(now_ms)
	mkdir -p "$LOGS"
	# What runs beside is not reached by Ctrl-C. TERM is left alone: a trap would wait for the end of the step.
	trap 'trap - INT; kill 0' INT
	step packages stack/packages.sh build stack check pages
	step librdkafka stack/librdkafka.sh
	if [[ $QUICK == yes ]]; then quick; else whole; fi
	[[ $LIST == no ]] || return 0
	say ""
	((${#FAILED_STEPS[@]} == 0)) || say "failed: ${FAILED_STEPS[*]}"
	say "took $(seconds_since "$begin") s"
	say "$PASSED passed, $FAILED failed"
	((FAILED == 0 && PASSED > 0))
}

main "$@"
