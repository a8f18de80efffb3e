# shellcheck shell=bash
# A BigQuery emulator. bqemulator (DuckDB inside, from PyPI) is the default: it is there in half a minute. goccy's is
# built from the pinned module in stack/bigquery where Go is new enough; that takes minutes, so it is built in the
# background and starts when it is there.

BQEMULATOR_VERSION=1.4.0
DUCKDB_VERSION=1.5.5
GOCCY_VERSION=0.8.1
GOCCY_GO_MINIMUM=1.25

bigquery_memory_mb() { if [[ $BIGQUERY_EMULATOR == goccy ]]; then echo 1500; else echo 400; fi; }
bigquery_ports() { printf 'BIGQUERY_PORT %s\nBIGQUERY_GRPC_PORT %s\n' "$BIGQUERY_PORT" "$BIGQUERY_GRPC_PORT"; }
bigquery_marker() { printf '%s/%s' "$(data_dir bigquery "$(id -un)")" "$BIGQUERY_EMULATOR"; }
bigquery_url() { printf 'http://127.0.0.1:%s/bigquery/v2/projects/%s/%s' "$BIGQUERY_PORT" "$BIGQUERY_PROJECT" "$1"; }
bqemulator_home() { printf '%s/bqemulator-%s' "$AB_CACHE_DIR" "$BQEMULATOR_VERSION"; }
goccy_binary() { printf '%s/goccy-bigquery-%s/bigquery-emulator' "$AB_CACHE_DIR" "$GOCCY_VERSION"; }

bigquery_get() {
	case $BIGQUERY_EMULATOR in
	bqemulator) bqemulator_get ;;
	goccy) goccy_get ;;
	*) die "BIGQUERY_EMULATOR=$BIGQUERY_EMULATOR is not known. Set bqemulator or goccy in ${AB_ENV_FILE:-the environment}." ;;
	esac
}

# A Python environment cannot be moved after it is made, so a stamp, not a rename, says that it is whole.
bqemulator_get() {
	local home
	home=$(bqemulator_home)
	[[ -f $home/complete ]] && return 0
	mkdir -p "$AB_CACHE_DIR"
	(
		flock 8
		[[ -f $home/complete ]] && exit 0
		rm -rf "$home"
		bqemulator_install "$home"
	) 8> "$AB_CACHE_DIR/.lock-bqemulator"
}

bqemulator_install() {
	local home=$1 python extensions file
	python=$("$AB_ROOT/stack/python.sh" --find) || return 1
	mkdir -p "$home"
	if ! "$python" -m venv "$home/venv" > "$home/install.log" 2>&1 ||
		! "$home/venv/bin/pip" install -q --disable-pip-version-check "bqemulator==$BQEMULATOR_VERSION" \
			"duckdb==$DUCKDB_VERSION" "duckdb-extension-spatial==$DUCKDB_VERSION" \
			"duckdb-extension-avro==$DUCKDB_VERSION" numpy >> "$home/install.log" 2>&1; then
		download_failed "bqemulator $BQEMULATOR_VERSION" "$home/install.log"
		return 1
	fi
	# DuckDB looks for its extensions under HOME; the emulator gets a HOME of its own.
	extensions=$home/home/.duckdb/extensions/v$DUCKDB_VERSION/$(duckdb_platform)
	mkdir -p "$extensions"
	while IFS= read -r file; do
		cp "$file" "$extensions/" || return 1
	done < <(find "$home/venv" -name '*.duckdb_extension')
	touch "$home/complete"
}

duckdb_platform() {
	case $(uname -m) in
	aarch64) echo linux_arm64 ;;
	*) echo linux_amd64 ;;
	esac
}

goccy_get() {
	[[ -x $(goccy_binary) ]] && return 0
	goccy_go_is_new_enough || die "BIGQUERY_EMULATOR=goccy needs Go $GOCCY_GO_MINIMUM or newer; found: $(go version 2> /dev/null || echo none).
  What to do: install it, or take BIGQUERY_EMULATOR=bqemulator, which needs no Go."
}

goccy_go_is_new_enough() {
	local version
	version=$(GOTOOLCHAIN=local go env GOVERSION 2> /dev/null) || return 1
	[[ $(printf '%s\n' "$GOCCY_GO_MINIMUM" "${version#go}" | sort -V | head -1) == "$GOCCY_GO_MINIMUM" ]]
}

# Seven minutes and 6.2 GB of memory on two cores with one package at a time; more at once needs more memory.
goccy_build() {
	(
		cd "$AB_ROOT/stack/bigquery/emulator" || exit 1
		GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-mod=readonly nice go build -p 1 -o "$1/bigquery-emulator" \
			github.com/goccy/bigquery-emulator/cmd/bigquery-emulator
	)
}

bigquery_start() {
	local dir
	dir=$(bigquery_marker)
	mkdir -p "$dir" "$AB_LOG_DIR"
	if [[ $BIGQUERY_EMULATOR == goccy ]]; then
		goccy_start "$dir"
	else
		spawn bigquery "$dir" "$(id -un)" env HOME="$(bqemulator_home)/home" "$(bqemulator_home)/venv/bin/python" \
			"$AB_ROOT/stack/bigquery/without_time_travel.py" start \
			--rest-host 127.0.0.1 --grpc-host 127.0.0.1 --rest-port "$BIGQUERY_PORT" --grpc-port "$BIGQUERY_GRPC_PORT" --persistent --data-dir "$dir"
	fi
}

# When it is not built yet, one process builds it and then becomes it. Until then nothing answers on its port, and the
# sink waits for it as for any neighbour that is down.
goccy_start() {
	spawn bigquery "$1" "$(id -un)" "$AB_ROOT/stack/stack.sh" become-goccy "$1"
}

goccy_become() {
	cached "goccy-bigquery-$GOCCY_VERSION" goccy_build
	[[ ! -x $(engine_binary) ]] || goccy_make_table "$1"
	goccy_exec "$BIGQUERY_PORT" "$BIGQUERY_GRPC_PORT" "$1"
}

# goccy_exec REST GRPC DIRECTORY: becomes the emulator.
goccy_exec() {
	exec "$(goccy_binary)" --project="$BIGQUERY_PROJECT" --dataset="$BIGQUERY_DATASET" --host=127.0.0.1 \
		--port="$1" --grpc-port="$2" --log-level=warn --database="$3/bigquery.db"
}

# An engine that is waiting for the emulator must not meet it without its table: the table is made behind another port.
goccy_make_table() {
	local pid port=$((BIGQUERY_PORT + 1))
	goccy_exec "$port" $((BIGQUERY_GRPC_PORT + 1)) "$1" &
	pid=$!
	until http_ok "http://127.0.0.1:$port/bigquery/v2/projects/$BIGQUERY_PROJECT/datasets"; do
		[[ -d /proc/$pid ]] || return 1
		sleep 0.2
	done
	engine_create -s BIGQUERY_PORT=$port -s SINKS=bigquery || warn "the BigQuery table could not be made. What to do: ./run.sh start"
	kill "$pid"
	wait "$pid" || true
}

bigquery_is_building() { [[ $BIGQUERY_EMULATOR == goccy && ! -x $(goccy_binary) ]]; }

bigquery_ready() { bigquery_is_building || http_ok "$(bigquery_url datasets)"; }
bigquery_stop() { stop_process bigquery TERM 30; }

# bigquery_query SQL: prints the values of the first row.
bigquery_query() {
	curl -fsS -m 60 -X POST -H 'Content-Type: application/json' "$(bigquery_url queries)" \
		-d "{\"query\":\"$(json_escape "$1")\",\"useLegacySql\":false}"
}

bigquery_counts() {
	local view
	for view in "$BIGQUERY_TABLE" "${BIGQUERY_TABLE}_exact"; do
		printf '%s ' "$view"
		bigquery_query "SELECT COUNT(*) AS n FROM \`$BIGQUERY_PROJECT.$BIGQUERY_DATASET.$view\`" |
			grep -oE '"v": ?"?[0-9]+' | grep -oE '[0-9]+$' || echo '(not there)'
	done
}
