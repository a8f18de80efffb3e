#!/bin/sh
# Puts the connector into Connect, then waits until the connector and its task run. Runs once, in a container.
set -eu

url=http://connect:8083/connectors/postgres-connector

sed -e "s|127.0.0.1|postgres|" -e "s|@POSTGRES_PORT@|5432|" -e "s|@POSTGRES_USER@|$POSTGRES_USER|" \
	-e "s|@POSTGRES_PASSWORD@|$POSTGRES_PASSWORD|" -e "s|@POSTGRES_DB@|$POSTGRES_DB|" \
	/usr/local/share/anabranch/postgres-connector.json |
	curl -fsS -X PUT -H 'Content-Type: application/json' --data-binary @- -o /dev/null "$url/config"

tries=0
while [ "$(curl -fsS "$url/status" | grep -o '"state":"RUNNING"' | wc -l)" -lt 2 ]; do
	tries=$((tries + 1))
	if [ "$tries" -gt 60 ]; then
		echo "error: the connector does not run:" >&2
		curl -sS "$url/status" >&2
		exit 1
	fi
	sleep 1
done
