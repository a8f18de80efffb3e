# shellcheck shell=bash
# Elasticsearch, the real server, from Maven's integration-test zip. It refuses root, so root gives it a user of its own.

ELASTICSEARCH_HEAP='-Xms512m -Xmx512m'
ELASTICSEARCH_USER=anabranch-es
ELASTICSEARCH_COPY=/var/lib/anabranch/elasticsearch-$ELASTICSEARCH_VERSION

elasticsearch_memory_mb() { echo 1200; }
elasticsearch_ports() {
	printf 'ELASTICSEARCH_PORT %s\nELASTICSEARCH_TRANSPORT_PORT %s\n' "$ELASTICSEARCH_PORT" "$ELASTICSEARCH_TRANSPORT_PORT"
}
elasticsearch_marker() { printf -- '-Epath.data=%s/data' "$(elasticsearch_dir)"; }
elasticsearch_user() { if [[ $EUID -eq 0 ]]; then echo "$ELASTICSEARCH_USER"; else id -un; fi; }
elasticsearch_dir() { data_dir elasticsearch "$(elasticsearch_user)"; }
elasticsearch_cache() { printf '%s/elasticsearch-%s' "$AB_CACHE_DIR" "$ELASTICSEARCH_VERSION"; }
elasticsearch_url() { printf 'http://127.0.0.1:%s/%s' "$ELASTICSEARCH_PORT" "$1"; }

# 9.x needs a newer Java than Debian 12 has; 8.19 runs on 17.
elasticsearch_java() {
	local minimum=17
	[[ $ELASTICSEARCH_VERSION == 8.* ]] || minimum=21
	java_home $minimum || die "Elasticsearch $ELASTICSEARCH_VERSION needs a JDK of version $minimum or newer, and none was found.
  What to do: install one, or take ELASTICSEARCH_VERSION=8.19.8, which runs on JDK 17."
}

elasticsearch_get() {
	elasticsearch_java > /dev/null
	cached "elasticsearch-$ELASTICSEARCH_VERSION" elasticsearch_download || return 1
	[[ $EUID -ne 0 ]] || elasticsearch_prepare_user 8> "$AB_CACHE_DIR/.lock-elasticsearch-user"
}

# The user, and a copy of the programs where it can read them: the cache of root lies in root's closed home.
elasticsearch_prepare_user() {
	local copy=$ELASTICSEARCH_COPY
	flock 8
	if ! id -u "$ELASTICSEARCH_USER" > /dev/null 2>&1; then
		useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$ELASTICSEARCH_USER"
	fi
	if [[ ! -d $copy ]] && ! can_reach "$ELASTICSEARCH_USER" "$(elasticsearch_cache)"; then
		mkdir -p "$(dirname "$copy")"
		chmod 755 "$(dirname "$copy")"
		rm -rf "$copy.new"
		cp -r "$(elasticsearch_cache)" "$copy.new"
		chmod -R go+rX "$copy.new"
		mv "$copy.new" "$copy"
	fi
}

elasticsearch_download() {
	command -v mvn > /dev/null || die "Maven is not installed. $(apt_line maven)"
	command -v unzip > /dev/null || die "unzip is not installed. $(apt_line unzip)"
	JAVA_HOME=$(java_home 17) mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
		-Dartifact="org.elasticsearch.distribution.integ-test-zip:elasticsearch:$ELASTICSEARCH_VERSION:zip" \
		-DoutputDirectory="$1/download" > "$1/maven.log" 2>&1 || {
		download_failed "Elasticsearch $ELASTICSEARCH_VERSION" "$1/maven.log"
		return 1
	}
	unzip -q "$1"/download/*.zip -d "$1/unpacked" && mv "$1"/unpacked/*/* "$1/" && rm -rf "$1/download" "$1/unpacked" &&
		chmod -R go+rX "$1"
}

elasticsearch_home() {
	if [[ -d $ELASTICSEARCH_COPY ]] && ! can_reach "$(elasticsearch_user)" "$(elasticsearch_cache)"; then
		printf '%s' "$ELASTICSEARCH_COPY"
	else
		elasticsearch_cache
	fi
}

elasticsearch_start() {
	local dir home user
	dir=$(elasticsearch_dir)
	home=$(elasticsearch_home)
	user=$(elasticsearch_user)
	elasticsearch_write_config "$dir/config" "$home"
	mkdir -p "$dir/data" "$dir/logs" "$dir/tmp"
	[[ $EUID -ne 0 ]] || chown -R "$user:" "$dir/config" "$dir/logs" "$dir/tmp"
	[[ $EUID -ne 0 ]] || chown "$user:" "$dir/data"
	spawn elasticsearch "$(elasticsearch_marker)" "$user" env ES_JAVA_HOME="$(elasticsearch_java)" \
		ES_JAVA_OPTS="$ELASTICSEARCH_HEAP" ES_PATH_CONF="$dir/config" ES_TMPDIR="$dir/tmp" HOME="$dir/tmp" \
		"$home/bin/elasticsearch" "$(elasticsearch_marker)" -Epath.logs="$dir/logs"
}

elasticsearch_write_config() {
	mkdir -p "$1"
	cp -r "$2/config/." "$1/"
	cat > "$1/elasticsearch.yml" <<-CONF
		cluster.name: anabranch
		node.name: node-1
		network.host: 127.0.0.1
		http.port: $ELASTICSEARCH_PORT
		transport.port: $ELASTICSEARCH_TRANSPORT_PORT
		discovery.type: single-node
		xpack.security.enabled: false
		cluster.routing.allocation.disk.threshold_enabled: false
		action.destructive_requires_name: false
	CONF
}

# GET / is not in this zip; the cluster's health is, and says more.
elasticsearch_ready() {
	curl -fsS -m 3 "$(elasticsearch_url _cluster/health)" 2> /dev/null | grep -qE '"status":"(green|yellow)"'
}

elasticsearch_stop() { stop_process elasticsearch TERM 60; }

elasticsearch_counts() {
	curl -fsS -m 10 -X POST -o /dev/null "$(elasticsearch_url 'engagement-events-*/_refresh')" || true
	curl -fsS -m 10 "$(elasticsearch_url 'engagement-events-*/_count')" |
		grep -oE '"count":[0-9]+' | awk -F: '{ print "documents", $2 }'
	curl -fsS -m 10 "$(elasticsearch_url 'engagement-events-*/_count?q=deleted:true')" |
		grep -oE '"count":[0-9]+' | awk -F: '{ print "documents-deleted", $2 }'
}
