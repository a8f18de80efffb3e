"""The neighbours of the tests: started by stack/stack.sh, asked through their ordinary clients.

Where they are comes from `stack/stack.sh env`, so a pipeline that runs on the default ports is never touched.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import oracle
import psycopg
import redis
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

ROOT = Path(__file__).resolve().parents[2]
EVENTS_TOPIC = "streaming.public.engagement_events"
CONTENT_TOPIC = "streaming.public.content"
PARTITIONS = 4
INDICES = "engagement-events-*"
POLL_SECONDS = 0.1
# Kafka's transaction markers make a log's end higher than its last record; a reader waits this long for one more.
END_OF_LOG_SECONDS = 20.0
# Rows of one answer: each page of the view is a query over the whole table.
BIGQUERY_PAGE = 50_000


def stack_environment() -> dict[str, str]:
    """The pipeline of the tests: a directory and ports of its own."""
    here = os.environ.copy()
    here.setdefault("AB_STACK_DIR", str(ROOT / ".stack-check"))
    here.setdefault("AB_STACK_PORT_SHIFT", "20000")
    here.setdefault("AB_ENV_FILE", str(Path(here["AB_STACK_DIR"]) / "engine.env"))
    return here


def stack(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(
        [str(ROOT / "stack/stack.sh"), *arguments],
        env=stack_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=400,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"stack/stack.sh {' '.join(arguments)} failed:\n{done.stdout}")
    return done.stdout


def until(what: str | Callable[[], str], seconds: float, condition: Any, every: float = POLL_SECONDS) -> Any:
    """Waits until condition() is true and returns it; names what never came, in words that may be made only then."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


class Services:
    def __init__(self) -> None:
        self.environment = dict(line.split("=", 1) for line in stack("env").splitlines() if "=" in line)
        self.brokers = self.environment["KAFKA_BOOTSTRAP_SERVERS"]
        self.connect_port = int(stack_environment().get("CONNECT_PORT", 0)) or 8083 + int(
            stack_environment()["AB_STACK_PORT_SHIFT"]
        )
        self.postgres = Postgres(self.environment)
        self.kafka = Kafka(self.brokers)
        self.redis = Redis(self.environment)
        self.elasticsearch = Elasticsearch(self.environment)

    def bigquery(self, table: str) -> "BigQuery":
        return BigQuery(self.environment, table)


def http(method: str, url: str, body: Any = None, seconds: float = 60, missing_ok: bool = False) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            text = answer.read()
            return json.loads(text) if text else {}
    except json.JSONDecodeError as error:
        raise AssertionError(f"{method} {url}: answered with no JSON: {text[:500]!r}") from error
    except urllib.error.HTTPError as error:
        if error.code == 404 and missing_ok:
            return {}
        raise AssertionError(f"{method} {url}: {error.code} {error.read()[:500]!r}") from error


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


class Postgres:
    def __init__(self, environment: dict[str, str]) -> None:
        self.address = (
            f"host={environment['POSTGRES_HOST']} port={environment['POSTGRES_PORT']}"
            f" dbname={environment['POSTGRES_DB']} user={environment['POSTGRES_USER']}"
            f" password={environment['POSTGRES_PASSWORD']} connect_timeout=5"
        )

    def connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.address, autocommit=True)

    def run(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def run_unseen(self, sql: str) -> None:
        """A change that Debezium is not told of."""
        self.run("ALTER PUBLICATION dbz_publication DROP TABLE engagement_events")
        try:
            self.run(sql)
        finally:
            self.run("ALTER PUBLICATION dbz_publication ADD TABLE engagement_events")

    def contents(self) -> oracle.Contents:
        rows = self.run("SELECT id::text, content_type, length_seconds FROM content")
        return {row[0]: (oracle.Content(row[1], row[2]),) for row in rows}


# --- Kafka ------------------------------------------------------------------------------------------------------------


DELETE_RECORDS = """
import os, sys
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
brokers, topic, *bounds = sys.argv[1:]
wanted = [TopicPartition(topic, *map(int, bound.split(":"))) for bound in bounds]
admin = AdminClient({"bootstrap.servers": brokers})  # kept: without it nobody answers
for future in admin.delete_records(wanted).values():
    future.result(30)
os._exit(0)
"""


def end_of(consumer: Consumer, topic: str, partition: int) -> tuple[int, int] | None:
    """First and next offset; None: ask again, its leader is not known at the moment."""
    try:
        return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
    except KafkaException:
        return None


class Kafka:
    def __init__(self, brokers: str, replicas: int = 1) -> None:
        self.brokers = brokers
        self.replicas = replicas
        self.admin = AdminClient({"bootstrap.servers": brokers})

    def create(self, topic: str, partitions: int = PARTITIONS, config: dict[str, str] | None = None) -> None:
        wanted = NewTopic(topic, num_partitions=partitions, replication_factor=self.replicas, config=config or {})
        for future in self.admin.create_topics([wanted]).values():
            future.result(30)
        until(f"topic {topic}", 20, lambda: topic in self.admin.list_topics(timeout=10).topics)

    def delete_records(self, topic: str, below: dict[int, int]) -> None:
        """What retention does, at once. In a process of its own: this call of the client drops references to None that it does
        not hold, and after a few dozen of them the interpreter falls over."""
        arguments = [self.brokers, topic, *(f"{partition}:{offset}" for partition, offset in below.items())]
        subprocess.run([sys.executable, "-c", DELETE_RECORDS, *arguments], check=True, timeout=60)

    def delete(self, *topics: str) -> None:
        for future in self.admin.delete_topics(list(topics)).values():
            try:
                future.result(30)
            except Exception as error:  # noqa: BLE001 - a topic that is not there is as good as deleted
                if "UNKNOWN_TOPIC" not in str(error):
                    raise

    def truncate(self, topic: str) -> None:
        """Removes all records, as retention does."""
        self.delete_records(topic, self.ends(topic))

    def reader(self, isolation: str) -> Consumer:
        return Consumer({
            "bootstrap.servers": self.brokers, "group.id": "anabranch-e2e-oracle", "enable.auto.commit": False,
            "isolation.level": isolation, "auto.offset.reset": "error", "enable.partition.eof": True,
            "fetch.message.max.bytes": 8_000_000, "queued.max.messages.kbytes": 65536,
        })

    def ends(self, topic: str) -> dict[int, int]:
        """By partition: the offset behind the last record that a read_committed consumer may see."""
        consumer = self.reader("read_committed")
        try:
            partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
            return {p: until(f"the end of {topic}", 60, lambda p=p: end_of(consumer, topic, p))[1] for p in partitions}
        finally:
            consumer.close()

    def messages(
        self, topic: str, isolation: str = "read_committed", since: dict[int, int] | None = None
    ) -> Iterator[Message]:
        """Everything that is in the topic now, from these offsets on."""
        floor = since or {}
        ends = {p: end for p, end in self.ends(topic).items() if end > floor.get(p, 0)}
        consumer = self.reader(isolation)
        consumer.assign([TopicPartition(topic, p, floor.get(p, OFFSET_BEGINNING)) for p in ends])
        begin = time.monotonic()
        try:
            while ends and time.monotonic() - begin < END_OF_LOG_SECONDS:
                for message in consumer.consume(10_000, 0.05):
                    if message.error() is None:
                        begin = time.monotonic()
                        yield message
                    elif message.error().code() == KafkaError._PARTITION_EOF:
                        if message.offset() >= ends.get(message.partition(), 0):
                            ends.pop(message.partition(), None)
                    elif not message.error().retriable():
                        raise AssertionError(f"reading {topic}: {message.error()}")
            assert not ends, f"the ends of {topic} were not reached: {ends}"
        finally:
            consumer.close()

    def records(
        self, topic: str, isolation: str = "read_committed", since: dict[int, int] | None = None
    ) -> Iterator[oracle.Record]:
        for m in self.messages(topic, isolation, since):
            yield oracle.Record(topic, m.partition(), m.offset(), m.timestamp()[1], m.value())

    def dead_letters(self, topic: str) -> Iterator[tuple[str, str, int, int, str]]:
        for message in self.messages(topic):
            headers = {name: (value or b"").decode() for name, value in message.headers() or []}
            assert (message.key() or b"").decode() == "/".join(
                headers[name] for name in ("sink", "topic", "partition", "offset")
            )
            yield (
                headers["sink"], headers["topic"], int(headers["partition"]), int(headers["offset"]), headers["reason"],
            )

    def produce(self, topic: str, values: Iterable[tuple[str, bytes | None]]) -> None:
        """Key and value pairs, in order; a key's partition is the one Kafka's Java producer would choose."""
        producer = Producer({
            "bootstrap.servers": self.brokers, "enable.idempotence": True, "partitioner": "murmur2_random",
            "message.max.bytes": 16_000_000, "linger.ms": 5,
        })
        failed: list[str] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failed.append(str(error))

        for key, value in values:
            while True:
                try:
                    producer.produce(topic, value, key, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.05)
            producer.poll(0)
        assert producer.flush(60) == 0 and not failed, f"producing to {topic}: {failed[:3]}"

    def committed(self, group: str, topic: str) -> dict[int, int]:
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": group, "enable.auto.commit": False})
        try:
            wanted = [TopicPartition(topic, p) for p in self.ends(topic)]
            return {t.partition: t.offset for t in consumer.committed(wanted, timeout=20)}
        finally:
            consumer.close()

    def commit(self, group: str, topic: str, offsets: dict[int, int]) -> None:
        """What another consumer of that group would have left behind."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": group, "enable.auto.commit": False})
        try:
            wanted = [TopicPartition(topic, p, offset) for p, offset in offsets.items()]
            consumer.commit(offsets=wanted, asynchronous=False)
        finally:
            consumer.close()


# --- Redis ------------------------------------------------------------------------------------------------------------


class Redis:
    def __init__(self, environment: dict[str, str]) -> None:
        self.client = redis.Redis(
            environment["REDIS_HOST"], int(environment["REDIS_PORT"]), decode_responses=True, socket_timeout=30
        )

    def wipe(self) -> None:
        self.client.flushall()

    def access(self) -> dict[tuple[str, str], int]:
        found = {}
        for key in self.client.scan_iter("access:by_type:window:*", 1000):
            for name, count in self.client.hgetall(key).items():
                found[key.rsplit(":", 1)[1], name] = int(count)
        return found

    def engagement(self) -> dict[tuple[str, str], Decimal]:
        found = {}
        for key in self.client.scan_iter("engagement:by_type:window:*", 1000):
            for name, score in self.client.zrange(key, 0, -1, withscores=True):
                found[key.rsplit(":", 1)[1], name] = Decimal(repr(score))
        return found

    def boards(self) -> dict[str, dict[str, Decimal]]:
        names = ("stats:top_by_access", "stats:top_by_engagement", "stats:top_content")
        return {
            name: {n: Decimal(repr(s)) for n, s in self.client.zrange(name, 0, -1, withscores=True)} for name in names
        }

    def counted(self) -> int:
        return sum(self.access().values())


# --- Elasticsearch ----------------------------------------------------------------------------------------------------


class Elasticsearch:
    def __init__(self, environment: dict[str, str]) -> None:
        self.url = f"http://{environment['ELASTICSEARCH_HOST']}:{environment['ELASTICSEARCH_PORT']}"

    def wipe(self) -> None:
        for line in http("GET", f"{self.url}/_cat/indices/{INDICES}?format=json", missing_ok=True) or []:
            http("DELETE", f"{self.url}/{line['index']}")

    def refresh(self) -> None:
        http("POST", f"{self.url}/{INDICES}/_refresh")

    def count(self) -> int:
        self.refresh()
        return int(http("GET", f"{self.url}/{INDICES}/_count")["count"])

    def documents(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """(index, id, version, source) of every document."""
        self.refresh()
        page = http(
            "POST", f"{self.url}/{INDICES}/_search?scroll=2m", {"size": 10_000, "version": True, "sort": ["_doc"]}
        )
        while page["hits"]["hits"]:
            for hit in page["hits"]["hits"]:
                yield hit["_index"], hit["_id"], hit["_version"], hit["_source"]
            page = http("POST", f"{self.url}/_search/scroll", {"scroll": "2m", "scroll_id": page["_scroll_id"]})
        http("DELETE", f"{self.url}/_search/scroll", {"scroll_id": page["_scroll_id"]}, missing_ok=True)


# --- BigQuery ---------------------------------------------------------------------------------------------------------


class BigQuery:
    def __init__(self, environment: dict[str, str], table: str) -> None:
        self.project, self.dataset = environment["BIGQUERY_PROJECT"], environment["BIGQUERY_DATASET"]
        self.table = table
        self.url = (
            f"http://{environment['BIGQUERY_HOST']}:{environment['BIGQUERY_PORT']}"
            f"/bigquery/v2/projects/{self.project}"
        )

    def name(self, table: str) -> str:
        return f"`{self.project}.{self.dataset}.{table}`"

    def query(self, sql: str) -> list[dict[str, Any]]:
        body = {
            "query": sql, "useLegacySql": False, "useQueryCache": False, "timeoutMs": 60_000,
            "maxResults": BIGQUERY_PAGE,
        }
        answer = http("POST", f"{self.url}/queries", body, 120)
        assert answer.get("jobComplete", True) and not answer.get("errors"), f"{sql}: {answer}"
        names = [column["name"] for column in answer["schema"]["fields"]]
        rows = [dict(zip(names, (cell["v"] for cell in row["f"]), strict=True)) for row in answer.get("rows", [])]
        assert "pageToken" not in answer or len(rows) == int(answer["totalRows"]), "the answer has more than one page"
        return rows

    def drop(self) -> None:
        for table in (f"{self.table}_exact", self.table):
            http("DELETE", f"{self.url}/datasets/{self.dataset}/tables/{table}", missing_ok=True)

    def count(self, table: str) -> int:
        return int(self.query(f"SELECT COUNT(*) AS n FROM {self.name(table)}")[0]["n"])

    def rows(self, table: str | None = None) -> Iterator[dict[str, Any]]:
        """Every row, read by ranges of offsets: one answer stays small."""
        name = self.name(table or self.table)
        if self.count(table or self.table) <= BIGQUERY_PAGE:
            yield from self.query(f"SELECT * FROM {name}")
            return
        ranges = self.query(
            f"SELECT kafka_partition AS p, MIN(kafka_offset) AS low, MAX(kafka_offset) AS high FROM {name} GROUP BY 1"
        )
        for one in ranges:
            low, high = int(one["low"]), int(one["high"])
            for begin in range(low, high + 1, BIGQUERY_PAGE):
                yield from self.query(
                    f"SELECT * FROM {name} WHERE kafka_partition = {one['p']} AND kafka_offset >= {begin}"
                    f" AND kafka_offset < {begin + BIGQUERY_PAGE}"
                )

    def exact_rows(self) -> Iterator[dict[str, Any]]:
        return self.rows(f"{self.table}_exact")
