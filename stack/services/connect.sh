# shellcheck shell=bash
# Kafka Connect with Debezium's PostgreSQL connector, writing in transactions: a crash of it repeats nothing for a reader
# that reads committed records only.

DEBEZIUM_VERSION=3.6.1.Final
CONNECT_HEAP=(-Xms256m -Xmx512m)
CONNECTOR=postgres-connector

connect_memory_mb() { echo 900; }
connect_ports() { echo "CONNECT_PORT $CONNECT_PORT"; }
connect_marker() { printf '%s/conf/kafka/connect.properties' "$AB_STACK_DIR"; }
connect_url() { printf 'http://127.0.0.1:%s/%s' "$CONNECT_PORT" "$1"; }

connect_get() {
	kafka_get && cached "debezium-$DEBEZIUM_VERSION" connect_download
}

connect_download() {
	command -v mvn > /dev/null || die "Maven is not installed. $(apt_line maven)"
	JAVA_HOME=$(java_home 17) mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
		-Dartifact=io.debezium:debezium-connector-postgres:$DEBEZIUM_VERSION:tar.gz:plugin \
		-DoutputDirectory="$1/download" > "$1/maven.log" 2>&1 || {
		download_failed "Debezium $DEBEZIUM_VERSION" "$1/maven.log"
		return 1
	}
	mkdir "$1/plugins"
	tar xzf "$1"/download/*.tar.gz -C "$1/plugins" && rm -rf "$1/download"
}

connect_start() {
	local conf
	conf=$(connect_marker)
	mkdir -p "$(dirname "$conf")"
	sed -e "s|@KAFKA_PORT@|$KAFKA_PORT|" -e "s|@CONNECT_PORT@|$CONNECT_PORT|" \
		-e "s|@PLUGINS@|$AB_CACHE_DIR/debezium-$DEBEZIUM_VERSION/plugins|" \
		"$AB_ROOT/stack/kafka/connect.properties" > "$conf"
	spawn connect "$conf" "$(id -un)" "$(java_home 17)/bin/java" "${CONNECT_HEAP[@]}" -XX:+UseG1GC \
		-XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true \
		-Dlog4j2.configurationFile="file:$AB_ROOT/stack/kafka/log4j2.properties" -cp "$(kafka_libs)/*" \
		org.apache.kafka.connect.cli.ConnectDistributed "$conf"
}

connect_ready() { http_ok "$(connect_url connectors)"; }
connect_stop() { stop_process connect TERM 30; }

# Puts the connector's configuration (the same again changes nothing), restarts what has failed, waits until it runs.
connect_create() {
	local begin state
	connect_config | curl -fsS -m 60 --retry 3 --retry-delay 2 --retry-all-errors -X PUT -H 'Content-Type: application/json' --data-binary @- -o /dev/null \
		"$(connect_url connectors/$CONNECTOR/config)" || {
		printf 'error: Connect did not take the connector %s. Its log: %s\n' "$CONNECTOR" "$(log_file connect)" >&2
		return 1
	}
	begin=$(now_ms)
	while state=$(connect_state) && [[ $state != "RUNNING RUNNING" ]]; do
		if [[ $state == *FAILED* ]]; then
			curl -fsS -m 10 -X POST -o /dev/null \
				"$(connect_url "connectors/$CONNECTOR/restart?includeTasks=true&onlyFailed=true")" || true
		fi
		if (($(now_ms) - begin > 60000)); then
			connect_explain "$state"
			return 1
		fi
		progress connector "starting $(seconds_since "$begin") s ($state)"
		sleep 0.5
	done
}

# "RUNNING RUNNING" when the connector and its one task run; "NONE" when there is no connector.
connect_state() {
	local json
	json=$(curl -fsS -m 3 "$(connect_url connectors/$CONNECTOR/status)" 2> /dev/null) || { echo NONE; return 0; }
	grep -oE '"state":"[A-Z]+"' <<< "$json" | cut -d '"' -f 4 | paste -sd ' '
}

connect_explain() {
	printf 'error: the connector %s does not run (connector, task: %s). Connect says:\n' "$CONNECTOR" "$1" >&2
	curl -fsS -m 3 "$(connect_url connectors/$CONNECTOR/status)" 2> /dev/null | grep -oE '"trace":"[^"]{0,400}' |
		sed -e 's/\\n\\t/\n/g' | head -5 | sed 's/^/    | /' >&2
	printf '  What to do: see %s; stack/stack.sh create tries again.\n' "$(log_file connect)" >&2
}

connect_config() {
	local text
	text=$(< "$AB_ROOT/stack/kafka/postgres-connector.json")
	text=${text//@POSTGRES_PORT@/$POSTGRES_PORT}
	text=${text//@POSTGRES_USER@/"$(json_escape "$POSTGRES_USER")"}
	text=${text//@POSTGRES_PASSWORD@/"$(json_escape "$POSTGRES_PASSWORD")"}
	text=${text//@POSTGRES_DB@/"$(json_escape "$POSTGRES_DB")"}
	printf '%s' "$text"
}

connect_counts() { echo "connector-and-task $(connect_state)"; }
