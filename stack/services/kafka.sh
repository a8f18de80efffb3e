# shellcheck shell=bash
# Kafka: one broker in KRaft mode, its jars from Maven. Connect uses the same jars.

KAFKA_VERSION=4.3.1
KAFKA_HEAP=(-Xms512m -Xmx512m)
# What a sink that is down may fall behind before its records are gone; the engine is loud when that happens.
KAFKA_RETENTION_HOURS=168
KAFKA_RETENTION_BYTES=$((4 * 1024 * 1024 * 1024))
KAFKA_PARTITIONS=4

kafka_memory_mb() { echo 900; }
kafka_ports() { printf 'KAFKA_PORT %s\nKAFKA_CONTROLLER_PORT %s\n' "$KAFKA_PORT" "$KAFKA_CONTROLLER_PORT"; }
kafka_marker() { printf '%s/conf/kafka/server.properties' "$AB_STACK_DIR"; }
kafka_libs() { printf '%s/kafka-%s/libs' "$AB_CACHE_DIR" "$KAFKA_VERSION"; }

kafka_get() {
	java_home 17 > /dev/null || die "a JDK of version 17 or newer was not found. $(apt_line openjdk-17-jdk-headless)"
	cached "kafka-$KAFKA_VERSION" kafka_download
}

kafka_download() {
	command -v mvn > /dev/null || die "Maven is not installed. $(apt_line maven)"
	JAVA_HOME=$(java_home 17) mvn -q -B -f "$AB_ROOT/stack/kafka/pom.xml" \
		org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory="$1/libs" > "$1/maven.log" 2>&1 || {
		download_failed "Kafka $KAFKA_VERSION" "$1/maven.log"
		return 1
	}
}


# kafka_tool CLASS ARGUMENTS…: a short-lived JVM.
kafka_tool() {
	"$(java_home 17)/bin/java" -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
		-Dlog4j2.configurationFile="file:$AB_ROOT/stack/kafka/log4j2-tools.properties" -cp "$(kafka_libs)/*" "$@"
}

kafka_start() {
	local conf data
	data=$(data_dir kafka "$(id -un)")
	conf=$(kafka_marker)
	kafka_write_config "$conf" "$data"
	if [[ ! -f $data/meta.properties ]]; then
		kafka_tool kafka.tools.StorageTool format -t "$(kafka_cluster_id)" -c "$conf" \
			>> "$(log_file kafka)" 2>&1 || {
			service_failed kafka "could not format its storage"
			return 1
		}
	fi
	spawn kafka "$conf" "$(id -un)" "$(java_home 17)/bin/java" "${KAFKA_HEAP[@]}" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
		-XX:InitiatingHeapOccupancyPercent=35 -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true \
		-Dlog4j2.configurationFile="file:$AB_ROOT/stack/kafka/log4j2.properties" -cp "$(kafka_libs)/*" \
		kafka.Kafka "$conf"
}

# Sixteen random bytes as Kafka writes them: base64 for addresses, without padding; the first is never a dash.
kafka_cluster_id() { printf 'A%s' "$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 2-22)"; }

kafka_write_config() {
	mkdir -p "$(dirname "$1")" "$AB_LOG_DIR"
	cat > "$1" <<-CONF
		process.roles=broker,controller
		node.id=1
		controller.quorum.voters=1@127.0.0.1:$KAFKA_CONTROLLER_PORT
		listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT,CONTROLLER://127.0.0.1:$KAFKA_CONTROLLER_PORT
		advertised.listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT
		inter.broker.listener.name=PLAINTEXT
		controller.listener.names=CONTROLLER
		listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
		log.dirs=$2
		num.partitions=$KAFKA_PARTITIONS
		default.replication.factor=1
		offsets.topic.num.partitions=4
		offsets.topic.replication.factor=1
		transaction.state.log.num.partitions=4
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		share.coordinator.state.topic.num.partitions=2
		share.coordinator.state.topic.replication.factor=1
		share.coordinator.state.topic.min.isr=1
		group.initial.rebalance.delay.ms=0
		num.network.threads=2
		num.io.threads=4
		message.max.bytes=16777216
		log.retention.hours=$KAFKA_RETENTION_HOURS
		log.retention.bytes=$KAFKA_RETENTION_BYTES
		log.segment.bytes=268435456
		log.cleaner.dedupe.buffer.size=16777216
	CONF
}

# Asks the broker for its API versions and takes the first bytes of an answer: an open port alone is not a broker.
kafka_ready() {
	local answer
	# shellcheck disable=SC2016 # $0 is the inner shell's
	answer=$(timeout 2 bash -c '
		exec 3<>"/dev/tcp/127.0.0.1/$0"
		printf "\0\0\0\012\0\022\0\0\0\0\0\01\377\377" >&3
		head -c 10 <&3 | od -An -tx1 | tr -d " \n"' "$KAFKA_PORT" 2> /dev/null) || return 1
	[[ ${answer:8:12} == 000000010000 ]]
}

kafka_stop() { stop_process kafka TERM 60; }

# The topics of the pipeline that are not there yet. A topic whose partitions the running broker has on disk is there;
# only when one is missing is a JVM started to ask, and another to make it.
kafka_create() {
	local topic topics
	kafka_has_on_disk && return 0
	topics=$(kafka_tool org.apache.kafka.tools.TopicCommand --bootstrap-server "127.0.0.1:$KAFKA_PORT" --list) || return 1
	for topic in streaming.public.engagement_events streaming.public.content; do
		kafka_create_topic "$topic" "$KAFKA_PARTITIONS" "$topics" || return 1
	done
	kafka_create_topic "$DEAD_LETTER_TOPIC" 1 "$topics"
}

kafka_has_on_disk() {
	local data=$AB_DATA_DIR/kafka last=$((KAFKA_PARTITIONS - 1))
	[[ -d $data/streaming.public.engagement_events-$last && -d $data/streaming.public.content-$last &&
		-d $data/$DEAD_LETTER_TOPIC-0 ]]
}

kafka_create_topic() {
	grep -qxF "$1" <<< "$3" && return 0
	kafka_tool org.apache.kafka.tools.TopicCommand --bootstrap-server "127.0.0.1:$KAFKA_PORT" --create --if-not-exists \
		--topic "$1" --partitions "$2" --replication-factor 1 > /dev/null
}

# Records written per topic: the sum of its end offsets (a transaction's marker takes an offset too).
kafka_counts() {
	kafka_tool org.apache.kafka.tools.GetOffsetShell --bootstrap-server "127.0.0.1:$KAFKA_PORT" \
		--topic "streaming.public.engagement_events|streaming.public.content|$DEAD_LETTER_TOPIC" |
		awk -F: '{ sum[$1] += $3 } END { for (topic in sum) print topic, sum[topic] }' | sort
}
