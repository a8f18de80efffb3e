# shellcheck shell=bash
# PostgreSQL: a cluster of our own, from the system's binaries, on TCP only. Root may not run it, so root uses "postgres".

POSTGRES_SHARED_BUFFERS=256MB

postgres_memory_mb() { echo 300; }
postgres_ports() { echo "POSTGRES_PORT $POSTGRES_PORT"; }
postgres_marker() { printf '%s/cluster' "$(postgres_dir)"; }
postgres_user() { if [[ $EUID -eq 0 ]]; then echo postgres; else id -un; fi; }
postgres_dir() { data_dir postgres "$(postgres_user)"; }

# The newest installed version: Debian puts the server's programs outside the PATH.
postgres_bin() {
	local dir
	dir=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2> /dev/null | sort -V | tail -1)
	[[ -x $dir/initdb ]] || die "PostgreSQL's server is not installed. $(apt_line postgresql)"
	printf '%s' "$dir"
}

postgres_get() { postgres_bin > /dev/null; }

postgres_start() {
	local dir
	dir=$(postgres_dir)
	[[ -f $dir/cluster/PG_VERSION ]] || postgres_make_cluster "$dir" || return 1
	postgres_clear_lock "$dir/cluster/postmaster.pid"
	spawn postgres "$(postgres_marker)" "$(postgres_user)" "$(postgres_bin)/postgres" -D "$dir/cluster" \
		-c port="$POSTGRES_PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
		-c wal_level=logical -c max_wal_senders=8 -c max_replication_slots=8 \
		-c shared_buffers=$POSTGRES_SHARED_BUFFERS -c max_wal_size=4GB -c log_min_messages=warning
}

# The administrator's password is random and stays in the stack directory: other users of the machine reach the port too.
postgres_make_cluster() {
	local dir=$1 secret=$AB_STACK_DIR/conf/postgres-admin user log
	user=$(postgres_user)
	log=$(log_file postgres)
	mkdir -p "$AB_STACK_DIR/conf" "$AB_LOG_DIR"
	chmod 700 "$AB_STACK_DIR/conf"
	(umask 077 && head -c 18 /dev/urandom | base64 > "$secret")
	rm -rf "$dir/cluster.new"
	install -m 600 "$secret" "$dir/password"
	[[ $EUID -ne 0 ]] || chown "$user:" "$dir/password"
	if ! (cd / && as_user "$user" "$(postgres_bin)/initdb" -D "$dir/cluster.new" --username=anabranch_admin \
		--pwfile="$dir/password" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8) >> "$log" 2>&1; then
		rm -f "$dir/password"
		service_failed postgres "could not make its cluster"
		return 1
	fi
	rm -f "$dir/password"
	mv "$dir/cluster.new" "$dir/cluster"
}

# PostgreSQL does not start while the process its lock file names exists. Two kinds of that are no server: one that was
# killed and not yet collected by init, and, after a reboot, somebody else's process with the old number.
postgres_clear_lock() {
	local pid booted tries=0
	[[ -f $1 ]] || return 0
	pid=$(head -1 "$1")
	booted=$(awk '/^btime/ { print $2 }' /proc/stat)
	if (($(stat -c %Y "$1") < booted)); then
		rm -f "$1"
	fi
	while [[ $(process_state "$pid") == Z ]] && ((tries < 100)); do
		tries=$((tries + 1))
		sleep 0.1
	done
}

postgres_ready() {
	"$(postgres_bin)/pg_isready" -q -h 127.0.0.1 -p "$POSTGRES_PORT" -t 2
}

postgres_stop() { stop_process postgres INT 30; }

# psql as the administrator, or as the pipeline's own user: postgres_admin DATABASE ARGUMENTS…, postgres_query ARGUMENTS…
postgres_admin() {
	local database=$1
	shift
	PGPASSWORD=$(cat "$AB_STACK_DIR/conf/postgres-admin") "$(postgres_bin)/psql" -X -q -v ON_ERROR_STOP=1 \
		-h 127.0.0.1 -p "$POSTGRES_PORT" -U anabranch_admin -d "$database" "$@"
}

postgres_query() {
	PGPASSWORD=$POSTGRES_PASSWORD psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$POSTGRES_PORT" \
		-U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"
}

# Role, database, tables, indexes, REPLICA IDENTITY FULL. Every statement may be repeated.
postgres_create() {
	postgres_admin postgres -v user="$POSTGRES_USER" -v password="$POSTGRES_PASSWORD" -v database="$POSTGRES_DB" \
		-f "$AB_ROOT/stack/postgres/database.sql" &&
		postgres_query -f "$AB_ROOT/stack/postgres/schema.sql"
}

postgres_counts() {
	postgres_query -At -F ' ' -c "SELECT 'content', count(*) FROM content UNION ALL
		SELECT 'engagement_events', count(*) FROM engagement_events"
}
