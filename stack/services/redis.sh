# shellcheck shell=bash
# Redis, with the append-only file: the pipeline's positions live in it, and a restart without it would empty them.

redis_memory_mb() { echo 200; }
redis_ports() { echo "REDIS_PORT $REDIS_PORT"; }
redis_marker() { printf '%s/conf/redis.conf' "$AB_STACK_DIR"; }

redis_get() { command -v redis-server > /dev/null || die "Redis is not installed. $(apt_line redis-server)"; }

redis_start() {
	local dir
	dir=$(data_dir redis "$(id -un)")
	mkdir -p "$AB_STACK_DIR/conf"
	chmod 700 "$AB_STACK_DIR/conf"
	# set-proc-title no: the command line keeps the configuration's path, by which a stale pid is told from a live one.
	cat > "$(redis_marker)" <<-CONF
		bind 127.0.0.1
		port $REDIS_PORT
		dir $dir
		daemonize no
		set-proc-title no
		appendonly yes
		appendfsync everysec
		save ""
		maxmemory-policy noeviction
		${REDIS_PASSWORD:+requirepass "$REDIS_PASSWORD"}
	CONF
	spawn redis "$(redis_marker)" "$(id -un)" "$(command -v redis-server)" "$(redis_marker)"
}

redis_ready() { [[ $(redis_query PING) == PONG ]]; }
redis_stop() { stop_process redis TERM 30; }

redis_query() {
	REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -h 127.0.0.1 -p "$REDIS_PORT" "$@" 2> /dev/null
}

# Events counted in the windows that have not expired, and how many such windows there are.
redis_counts() {
	local script='local n, sum, cursor = 0, 0, "0"
		repeat
			local page = redis.call("SCAN", cursor, "MATCH", "access:by_type:window:*", "COUNT", 1000)
			cursor = page[1]
			for _, key in ipairs(page[2]) do
				n = n + 1
				for _, value in ipairs(redis.call("HVALS", key)) do sum = sum + tonumber(value) end
			end
		until cursor == "0"
		return {n, sum}'
	redis_query EVAL "$script" 0 | paste -sd ' ' | awk '{ print "windows", $1; print "events-in-windows", $2 }'
}
