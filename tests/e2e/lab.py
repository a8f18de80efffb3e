"""What one test works with: its topics, its table, its engine, and the comparison of everything in the end."""

import itertools
import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import compare
import oracle
from engine import Engine, Group, binary
from services import CONTENT_TOPIC, EVENTS_TOPIC, Services, free_port, until

NUMBERS = itertools.count(1)
LSNS = itertools.count(1_000_000)
SETTLED_SECONDS = 120.0
# Rows point to this many contents of their seed.
CONTENTS = 2000


def new_seed() -> str:
    """Rows that no earlier run has written."""
    return str(time.time_ns() % 1_000_000_000)


class Lab:
    """Redis and Elasticsearch are empty, topics, table and group are new. With source=True the topics are the
    connector's: they keep what earlier tests wrote. With whole=True that is part of what is expected, else engines begin
    behind it, and what they deliver is compared."""

    def __init__(self, services: Services, directory: Path, source: bool = False, whole: bool = True) -> None:
        self.services = services
        self.directory = directory
        self.name = f"e2e_{os.getpid()}_{next(NUMBERS)}"
        self.events_topic = EVENTS_TOPIC if source else f"{self.name}.events"
        self.content_topic = CONTENT_TOPIC if source else f"{self.name}.content"
        self.dead_letter_topic = f"{self.name}.dead"
        self.own_topics = [] if source else [self.events_topic, self.content_topic]
        self.bigquery = services.bigquery(self.name)
        self.engines: list[Engine] = []
        self.closers: list[Callable[[], None]] = []
        self.writers: list[threading.Thread] = []
        self.record_max_bytes = 4194304
        # Content versions that an event may have met besides the one in the database.
        self.earlier_contents: oracle.Contents = {}
        # By partition: where engines begin, and what is expected with them.
        self.since: dict[int, int] = {} if whole else services.kafka.ends(self.events_topic)
        services.redis.wipe()
        services.elasticsearch.wipe()
        for topic in self.own_topics:
            services.kafka.create(topic, config={"max.message.bytes": "16000000"})

    def close(self) -> None:
        for writer in self.writers:
            writer.join()
        for close in [*(e.close for e in self.engines), *self.closers]:
            close()
        self.services.kafka.delete(*self.own_topics, self.dead_letter_topic)
        self.bigquery.drop()

    # --- the engine ---------------------------------------------------------------------------------------------------

    def settings(self, **changes: Any) -> dict[str, str]:
        return self.services.environment | {
            "EVENTS_TOPIC": self.events_topic,
            "CONTENT_TOPIC": self.content_topic,
            "DEAD_LETTER_TOPIC": self.dead_letter_topic,
            "GROUP_ID": self.name,
            "BIGQUERY_TABLE": self.name,
        } | {name: str(value) for name, value in changes.items()}

    def engine(self, **changes: Any) -> Engine:
        engine = Engine(self.directory, self.settings(**changes), init_from="latest" if self.since else "")
        self.record_max_bytes = int(engine.settings.get("RECORD_MAX_BYTES", 4194304))
        self.engines.append(engine)
        return engine

    def another(self, **changes: Any) -> Engine:
        """One more engine of the same group, beside the others."""
        name = f"engine{len(self.engines) + 1}"
        engine = Engine(self.directory, self.settings(METRICS_PORT=free_port(), WEB_PORT=free_port(), **changes), name)
        self.engines.append(engine)
        return engine

    # --- data ---------------------------------------------------------------------------------------------------------

    def generator(self, *arguments: str) -> list[str]:
        env_file = self.directory / "generator.env"
        wanted = ("POSTGRES_",)
        lines = [f"{k}={v}\n" for k, v in self.services.environment.items() if k.startswith(wanted)]
        env_file.write_text("".join(lines) + f"CONTENT_ROWS={CONTENTS}\n")
        return [str(binary("anabranch-loadgen")), "run", "-e", str(env_file), "--quiet", "--seed-contents",
                str(CONTENTS), *arguments]

    def generate(self, *arguments: str, seconds: float = 120) -> None:
        """Rows in PostgreSQL; the contents they point to are made when they are missing."""
        done = subprocess.run(self.generator(*arguments), capture_output=True, text=True, timeout=seconds)
        assert done.returncode == 0, f"anabranch-loadgen ended with {done.returncode}: {done.stdout}{done.stderr}"

    def generate_beside(self, *arguments: str) -> "subprocess.Popen[bytes]":
        with (self.directory / "generator.log").open("ab") as log:
            process = subprocess.Popen(self.generator(*arguments), stdout=log, stderr=log)

        def end() -> None:
            if process.poll() is None:
                process.terminate()
                process.wait(20)

        self.closers.append(end)
        return process

    def prefill(self, count: int, *arguments: str, seed: int = 1) -> None:
        """A backlog as the connector would have written it, its last event now; its contents are in PostgreSQL."""
        much = ["--rate", "max", "--count", str(count), "--event-ts", "now,1000"]
        self.generate(*self.to_kafka(seed), *much, *arguments, seconds=300)

    def to_kafka(self, seed: int) -> list[str]:
        return [
            "--target", "kafka", "-s", f"KAFKA_BOOTSTRAP_SERVERS={self.services.kafka.brokers}",
            "-s", f"EVENTS_TOPIC={self.events_topic}", "--seed", str(seed),
        ]

    def last_id(self) -> int:
        return int(self.services.postgres.run("SELECT coalesce(max(id), 0) FROM engagement_events")[0][0])

    def changes(self, since_id: int) -> Iterator[oracle.Event]:
        """What the log says of rows above that id."""
        decoder = oracle.Decoder()
        for record in self.services.kafka.records(self.events_topic, since=self.since):
            event = decoder.decode(record)
            if event is not None and event.id > since_id:
                yield event

    def wait_for_all_rows(self, since_id: int) -> None:
        """Every row above that id, as it stands in PostgreSQL, has its create in the log."""
        (wanted,) = self.services.postgres.run(
            "SELECT count(*) FROM engagement_events WHERE id > %s", (since_id,)
        )[0]

        def there() -> bool:
            ids, gone = set(), set()
            for event in self.changes(since_id):
                (gone if event.op == "d" else ids).add(event.id)
            return len(ids - gone) >= wanted

        until(f"{wanted} rows of PostgreSQL in the log", 120, there, 2)

    def changes_written_twice(self, since_id: int) -> int:
        seen = Counter((event.id, event.lsn, event.op) for event in self.changes(since_id))
        return seen.total() - len(seen)

    def make_topic_anew(self, config: dict[str, str] | None = None) -> None:
        kafka = self.services.kafka
        kafka.delete(self.events_topic)
        until("the topic gone", 20, lambda: self.events_topic not in kafka.admin.list_topics(timeout=10).topics)
        kafka.create(self.events_topic, config=config)

    def prefill_beside(self, count: int, *arguments: str) -> None:
        """The same while the test goes on; whoever asks for the records waits for the last of them."""
        writer = threading.Thread(target=self.prefill, args=(count, *arguments))
        writer.start()
        self.writers.append(writer)

    def produce(self, *values: "dict[str, Any] | bytes | None") -> None:
        """Records of one key: they stay in order, in one partition."""
        raw = [json.dumps(v).encode() if isinstance(v, dict) else v for v in values]
        self.services.kafka.produce(self.events_topic, [(f'{{"id":"{self.name}"}}', value) for value in raw])

    def flat(self, row_id: int, op: str = "c", **changes: Any) -> dict[str, Any]:
        """An unwrapped change of a click now, without content."""
        now = datetime.now(timezone.utc)
        now_ms = int(now.timestamp() * 1000)
        return {
            "id": row_id, "content_id": None, "user_id": "283f0000-0000-4000-8000-000000000001", "event_type": "click",
            "event_ts": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "duration_ms": None, "device": "ios",
            "raw_payload": None, "__deleted": "true" if op == "d" else "false", "__op": op,
            "__table": "engagement_events", "__ts_ms": now_ms, "__lsn": next(LSNS), "__source_ts_ms": now_ms,
        } | changes

    # --- the end ------------------------------------------------------------------------------------------------------

    def records(self) -> list[oracle.Record]:
        for writer in self.writers:
            writer.join()
        return list(self.services.kafka.records(self.events_topic, since=self.since))

    def noting(self, ends: dict[int, int]) -> Iterator[oracle.Record]:
        """The records as a stream; notes what lies behind the last one of each partition."""
        for record in self.services.kafka.records(self.events_topic, since=self.since):
            ends[record.partition] = record.offset + 1
            yield record

    def contents(self) -> oracle.Contents:
        found = self.services.postgres.contents()
        for content_id, earlier in self.earlier_contents.items():
            found[content_id] = tuple(dict.fromkeys(earlier + found.get(content_id, ())))
        return found

    def expected(self) -> oracle.Expected:
        return oracle.expect(self.records(), self.contents(), self.record_max_bytes)

    @staticmethod
    def ends(records: list[oracle.Record]) -> dict[int, int]:
        """Behind the last record of each partition. The log's own end is higher: transactions have markers."""
        ends: dict[int, int] = {}
        for record in records:
            ends[record.partition] = max(ends.get(record.partition, 0), record.offset + 1)
        return ends

    def settle(
        self, engine: Engine | Group, sinks: set[str] | None = None, seconds: float = SETTLED_SECONDS,
        records: list[oracle.Record] | None = None,
    ) -> list[oracle.Record]:
        """Waits until every sink has applied all that is in the topic now."""
        records = self.records() if records is None else records
        ends = self.ends(records)
        names = sinks or set(oracle.SINKS)

        def where() -> str:
            found = engine.metrics()
            positions = {name: found.positions(name) for name in names}
            return f"the log ends at {ends}, positions are {positions}. The engine's log:\n{engine.log_tail()}"

        try:
            until("settled", seconds, lambda: engine.has_settled(ends, names))
        except AssertionError as error:
            raise AssertionError(f"not settled within {seconds} s: {where()}") from error
        return records

    def differences(self, records: list[oracle.Record], sinks: set[str] | None = None) -> compare.Report:
        names = sinks or set(oracle.SINKS)
        return self.compared(oracle.expect(records, self.contents(), self.record_max_bytes, names))

    def compared(self, expected: oracle.Expected) -> compare.Report:
        """Every sink that is expected to hold anything."""
        names = expected.sinks
        report = compare.Report()
        if "redis" in names:
            redis = self.services.redis
            report.merge(compare.compare_redis(expected, redis.access(), redis.engagement()))
        if "elasticsearch" in names:
            report.merge(compare.compare_documents(expected, self.services.elasticsearch.documents()))
        if "bigquery" in names:
            report.merge(compare.compare_rows(expected, self.events_topic, self.bigquery.rows()))
            report.merge(compare.compare_view(expected, self.bigquery.exact_rows()))
        letters = self.services.kafka.dead_letters(self.dead_letter_topic)
        report.merge(compare.compare_dead(expected, letters))
        return report

    def assert_equal(
        self, engine: Engine | Group, sinks: set[str] | None = None, seconds: float = SETTLED_SECONDS
    ) -> compare.Report:
        """Settled, and every sink holds exactly what the log says; the metrics add up."""
        records = self.settle(engine, sinks, seconds)
        found = engine.metrics()
        found.group_offset_is_a_floor()
        found.ledgers_hold()
        if sinks is None:
            found.nothing_is_in_flight()
        if engine.starts == 1:
            found.nothing_is_unaccounted(len(records))
        assert not engine.violations, engine.violations[:3]
        report = self.differences(records, sinks)
        assert report.equal, f"after {len(records)} records:\n{report}\nengine's log:\n{engine.log_tail()}"
        return report
