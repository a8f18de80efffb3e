# shellcheck shell=bash
# Where a pipeline lives and which ports it has. Sourced, never run; exports places and ports, so children agree.
#
# A pipeline is one directory (AB_STACK_DIR) and one set of ports. A second one beside it needs nothing more than another
# directory and AB_STACK_PORT_SHIFT, which is added to every default port: the check uses 20000, below the ephemeral range.
# Order for each name: process environment, then .env (AB_ENV_FILE), then the default. .env is read, never executed.

AB_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
AB_STACK_DIR=$(realpath -m "${AB_STACK_DIR:-$AB_ROOT/.stack}")
AB_CACHE_DIR=${AB_CACHE_DIR:-$HOME/.cache/anabranch}
AB_ENV_FILE=${AB_ENV_FILE-$AB_ROOT/.env}
AB_STACK_PORT_SHIFT=${AB_STACK_PORT_SHIFT:-0}
export AB_ROOT AB_STACK_DIR AB_CACHE_DIR AB_ENV_FILE AB_STACK_PORT_SHIFT

# The value of a key in .env, quotes taken off; fails when the key is not there.
env_file_value() {
	local line
	[[ -n $AB_ENV_FILE && -f $AB_ENV_FILE ]] || return 1
	line=$(grep -E "^$1=" "$AB_ENV_FILE" | tail -1) || return 1
	line=${line#*=}
	line=${line%$'\r'}
	if [[ $line =~ ^\"(.*)\"$ || $line =~ ^\'(.*)\'$ ]]; then
		line=${BASH_REMATCH[1]}
	fi
	printf '%s' "$line"
}

# setting KEY DEFAULT: sets KEY to the value that counts. It is not exported: the engine reads .env by itself.
setting() {
	local value
	[[ -z ${!1+x} ]] || return 0
	value=$(env_file_value "$1") || value=$2
	printf -v "$1" '%s' "$value"
}

# secret KEY DEFAULT: the same for a key whose value may lie in a file named by KEY_FILE.
secret() {
	local file
	setting "$1_FILE" ''
	file=$1_FILE
	if [[ -n ${!file} && -z ${!1+x} ]]; then
		printf -v "$1" '%s' "$(cat "${!file}")"
	else
		setting "$1" "$2"
	fi
}

# port KEY DEFAULT: a setting that is a number. A shifted pipeline takes no port from .env, which belongs to the other one.
port() {
	if ((AB_STACK_PORT_SHIFT != 0)); then
		printf -v "$1" '%s' "${!1:-$(($2 + AB_STACK_PORT_SHIFT))}"
	else
		setting "$1" "$2"
	fi
	export "${1?}"
	if [[ ! ${!1} =~ ^[0-9]{1,5}$ ]] || ((${!1} < 1 || ${!1} > 65535)); then
		printf 'error: %s=%s is not a port. Set a number from 1 to 65535 in %s.\n' "$1" "${!1}" "${AB_ENV_FILE:-the environment}" >&2
		exit 78
	fi
}

port POSTGRES_PORT 5432
port KAFKA_PORT 9092
port KAFKA_CONTROLLER_PORT 9093
port CONNECT_PORT 8083
port REDIS_PORT 6379
port ELASTICSEARCH_PORT 9200
port ELASTICSEARCH_TRANSPORT_PORT 9300
port BIGQUERY_PORT 9050
port BIGQUERY_GRPC_PORT 9060
port METRICS_PORT 9464
port WEB_PORT 9465

setting POSTGRES_HOST 127.0.0.1
setting POSTGRES_DB streaming_db
setting POSTGRES_USER streaming_user
secret POSTGRES_PASSWORD streaming_pass
setting REDIS_HOST 127.0.0.1
secret REDIS_PASSWORD ''
setting ELASTICSEARCH_HOST 127.0.0.1
setting ELASTICSEARCH_VERSION 8.19.8
setting BIGQUERY_HOST 127.0.0.1
setting BIGQUERY_EMULATOR bqemulator
setting BIGQUERY_PROJECT streaming_project
setting BIGQUERY_DATASET engagement_data
setting BIGQUERY_TABLE events
setting CONTENT_ROWS 5000
setting DEAD_LETTER_TOPIC anabranch.dead-letters

# Kafka is the one neighbour whose port is said twice: the default address follows KAFKA_PORT.
setting KAFKA_BOOTSTRAP_SERVERS ''
case $AB_STACK_PORT_SHIFT,$KAFKA_BOOTSTRAP_SERVERS in
0, | 0,127.0.0.1:9092 | 0,localhost:9092 | [1-9]*) KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:$KAFKA_PORT ;;
esac
export KAFKA_BOOTSTRAP_SERVERS

# What the engine and the generator read, as the lines of an .env file.
print_engine_env() {
	local key
	for key in POSTGRES_HOST POSTGRES_PORT POSTGRES_DB POSTGRES_USER POSTGRES_PASSWORD KAFKA_BOOTSTRAP_SERVERS \
		REDIS_HOST REDIS_PORT ELASTICSEARCH_HOST ELASTICSEARCH_PORT BIGQUERY_HOST BIGQUERY_PORT BIGQUERY_PROJECT \
		BIGQUERY_DATASET BIGQUERY_TABLE METRICS_PORT WEB_PORT CONNECT_PORT; do
		printf '%s=%s\n' "$key" "${!key}"
	done
}
