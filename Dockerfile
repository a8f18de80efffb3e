# Images of docker-compose.yml. The engine is built as ./run.sh build does it; the neighbours that have no image of their
# own are assembled from the same packages and versions as the native ones.

FROM debian:12 AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY stack/packages.sh stack/packages.txt stack/librdkafka.sh stack/librdkafka-topic-ids.patch stack/
RUN stack/packages.sh build && stack/librdkafka.sh
COPY . .
RUN cmake --preset release && cmake --build --preset release --target anabranch anabranch-loadgen anabranch-monitor

FROM debian:12-slim AS engine
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl libcurl4 libhiredis0.14 libisal2 \
	libjansson4 liblz4-1 libmicrohttpd12 libncursesw6 libpq5 libsimdjson14 libsnappy1v5 libssl3 liburing2 libzstd1 zlib1g && rm -rf /var/lib/apt/lists/* && \
	useradd --system --no-create-home --shell /usr/sbin/nologin anabranch
COPY --from=build /src/build/release/anabranch /src/build/release/anabranch-loadgen /src/build/release/anabranch-monitor /usr/local/bin/
COPY stack/kafka/postgres-connector.json stack/docker/put-connector.sh /usr/local/share/anabranch/
USER anabranch
# SIGTERM drains for up to ten seconds; compose waits longer than that.
STOPSIGNAL SIGTERM
ENTRYPOINT ["anabranch"]
CMD ["run"]

FROM maven:3-eclipse-temurin-17 AS debezium
ARG DEBEZIUM_VERSION=3.6.1.Final
RUN mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
	-Dartifact=io.debezium:debezium-connector-postgres:${DEBEZIUM_VERSION}:tar.gz:plugin -DoutputDirectory=/download && \
	mkdir /plugins && tar xzf /download/*.tar.gz -C /plugins

FROM apache/kafka:4.3.1 AS connect
COPY --from=debezium /plugins /opt/plugins
COPY stack/kafka/connect.properties /opt/connect.properties
USER root
RUN sed -i -e 's|127.0.0.1:@KAFKA_PORT@|kafka:29092|' -e 's|http://127.0.0.1:@CONNECT_PORT@|http://0.0.0.0:8083|' \
	-e 's|^rest.advertised.host.name=.*|rest.advertised.host.name=connect|' -e 's|@PLUGINS@|/opt/plugins|' /opt/connect.properties
USER appuser
CMD ["/opt/kafka/bin/connect-distributed.sh", "/opt/connect.properties"]

FROM python:3.11-slim AS bigquery-bqemulator
RUN pip install --no-cache-dir bqemulator==1.4.0 duckdb==1.5.5 duckdb-extension-spatial==1.5.5 \
	duckdb-extension-avro==1.5.5 numpy && \
	platform=linux_$(dpkg --print-architecture) && mkdir -p /data /root/.duckdb/extensions/v1.5.5/$platform && \
	find / -xdev -path '*/site-packages/*' -name '*.duckdb_extension' -exec cp {} /root/.duckdb/extensions/v1.5.5/$platform/ \;
CMD ["bqemulator", "start", "--rest-host", "0.0.0.0", "--grpc-host", "0.0.0.0", "--rest-port", "9050", \
	"--grpc-port", "9060", "--persistent", "--data-dir", "/data"]

# Seven minutes and 6 GB of memory, once.
FROM golang:1.26 AS goccy
WORKDIR /src
COPY stack/bigquery/emulator .
RUN GOTOOLCHAIN=local CGO_ENABLED=0 go build -p 1 -o /bigquery-emulator github.com/goccy/bigquery-emulator/cmd/bigquery-emulator

FROM debian:12-slim AS bigquery-goccy
COPY --from=goccy /bigquery-emulator /usr/local/bin/bigquery-emulator
RUN mkdir -p /data
CMD ["bigquery-emulator", "--project=streaming_project", "--dataset=engagement_data", "--host=0.0.0.0", "--port=9050", \
	"--grpc-port=9060", "--log-level=warn", "--database=/data/bigquery.db"]
