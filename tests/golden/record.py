#!/usr/bin/env python3
"""Records what the real Debezium writes for known rows, into this folder.

    stack/stack.sh up postgres kafka connect && stack/stack.sh create && stack/python.sh
    ~/.cache/anabranch/venv/bin/python tests/golden/record.py

Four connectors of its own (ExtractNewRecordState on and off, schemas on and off) watch two tables of its own schema
`golden` in the pipeline's database while every case below is done in a transaction of its own. Each message becomes

    <shape>/<table>.<case>.json      the value, byte for byte (.json.gz when large; none: the value is null)
    <shape>/<table>.<case>.key       the key, byte for byte
    expected.json                    what a decoder must read from it, worked out from the rows alone

Connectors, slots, publications and the schema are removed again. Addresses come from the environment, by the names of
stack/env.sh: POSTGRES_HOST POSTGRES_PORT POSTGRES_DB POSTGRES_USER POSTGRES_PASSWORD KAFKA_BOOTSTRAP_SERVERS
CONNECT_PORT.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import confluent_kafka
import confluent_kafka.admin
import psycopg

HERE = Path(__file__).resolve().parent
SCHEMA = "golden"
LARGE_BYTES = 65536
WAIT_SECONDS = 120

CONTENT = "11111111-2222-4333-8444-555555555555"
OTHER_CONTENT = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
USER = "99999999-8888-4777-8666-555555555555"

EVENT_COLUMNS = ("id", "content_id", "user_id", "event_type", "event_ts", "duration_ms", "device", "raw_payload")
CONTENT_COLUMNS = ("id", "slug", "title", "content_type", "length_seconds", "publish_ts")

MEGABYTE = {"text": 'all "work", \\ no play ' * 48000}
QUOTES = {'"id"': '","id":7,"'}

Row = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    unwrapped: bool
    schemas: bool

    @property
    def name(self) -> str:
        return ("unwrapped" if self.unwrapped else "envelope") + ("_schema" if self.schemas else "")

    @property
    def connector(self) -> str:
        return f"golden_{self.name}"


SHAPES = [Shape(unwrapped, schemas) for unwrapped in (True, False) for schemas in (True, False)]


@dataclass(frozen=True)
class Case:
    """One change. `row` is the row that the message is about; `columns` are those that an update sets."""

    table: str
    name: str
    op: str
    row: Row
    columns: tuple[str, ...] = ()
    snapshot: bool = False
    rejected: str | None = None


def event(id_: int, **columns: Any) -> Row:
    row: Row = {
        "id": id_,
        "content_id": CONTENT,
        "user_id": USER,
        "event_type": "play",
        "event_ts": "2026-11-23T23:19:12.353824Z",
        "duration_ms": 672892,
        "device": "ios",
        "raw_payload": {"ip": "10.0.0.1", "session_id": "s-1", "user_agent": 'agent "x"/1.0 \\ y'},
    }
    return row | columns


def content(id_: str, **columns: Any) -> Row:
    row: Row = {
        "id": id_,
        "slug": id_,
        "title": 'A "title" \\ with ünicode',
        "content_type": "video",
        "length_seconds": 7200,
        "publish_ts": "2026-01-02T03:04:05Z",
    }
    return row | columns


def snapshot_cases() -> list[Case]:
    return [
        Case("engagement_events", "snapshot_first", "r", event(1), snapshot=True),
        Case("engagement_events", "snapshot_middle", "r", event(2, device=None), snapshot=True),
        Case("engagement_events", "snapshot_last", "r", event(3, content_id=None), snapshot=True),
        Case("content", "snapshot", "r", content(CONTENT), snapshot=True),
    ]


def streamed_cases() -> list[Case]:
    events: list[tuple[str, str, Row, tuple[str, ...]]] = [
        ("insert", "c", event(10), ()),
        ("nulls", "c", event(11, content_id=None, user_id=None, duration_ms=None, device=None, raw_payload=None), ()),
        ("unicode", "c", event(12, device="größe 手机 \U0001f600 \u2028", event_type="Écoute"), ()),
        ("escapes", "c", event(13, device="tab\tline\nback\\slash/ctl\x01\x1f\x7f end\r", event_type="a\\u0041"), ()),
        ("quotes", "c", event(14, device='"', event_type='say "play", {"a":1}', raw_payload=QUOTES), ()),
        ("empty_texts", "c", event(15, device="", event_type=""), ()),
        ("one_megabyte", "c", event(16, raw_payload=MEGABYTE), ()),
        ("largest", "c", event(2**63 - 1, duration_ms=2**31 - 1, event_ts="9999-12-31T23:59:59.999999Z"), ()),
        ("smallest", "c", event(-(2**63), duration_ms=-(2**31), event_ts="0001-01-01T00:00:00Z"), ()),
        ("before_1970", "c", event(17, event_ts="1969-12-31T23:59:59.999999Z"), ()),
        ("whole_second", "c", event(18, event_ts="2026-11-23T23:19:12Z"), ()),
        ("millisecond", "c", event(19, event_ts="2026-11-23T23:19:12.120Z"), ()),
        ("other_zone", "c", event(20, event_ts="2026-11-24T01:19:12.5+02:00"), ()),
        ("update", "u", event(10, device="android", duration_ms=None), ("device", "duration_ms")),
        ("update_beside_large", "u", event(16, device="tv", raw_payload=MEGABYTE), ("device",)),
        ("delete", "d", event(11, content_id=None, user_id=None, duration_ms=None, device=None, raw_payload=None), ()),
    ]
    ebook = content(OTHER_CONTENT, content_type="ebook", length_seconds=60)
    contents: list[tuple[str, str, Row, tuple[str, ...]]] = [
        ("insert", "c", content(OTHER_CONTENT, content_type='blog "post" \\ é', length_seconds=None), ()),
        ("update", "u", ebook, ("content_type", "length_seconds")),
        ("delete", "d", ebook, ()),
    ]
    cases = [Case("engagement_events", *case) for case in events]
    cases += [Case("content", *case) for case in contents]
    # Without FULL the log has no old row: a delete tells its id alone, an update not the large column it left alone.
    large = "".join(f"{n * n:x}" for n in range(2000))
    cases += [
        Case("default_identity", "insert", "c", event(30, device=large)),
        Case("default_identity", "update", "u", event(30, duration_ms=1), ("duration_ms",), rejected="missing_field"),
        Case("default_identity", "delete", "d", event(30), rejected="missing_field"),
    ]
    return cases


def apply(connection: psycopg.Connection[Any], case: Case) -> None:
    columns = CONTENT_COLUMNS if case.table == "content" else EVENT_COLUMNS
    values = {c: json.dumps(v) if c == "raw_payload" and v is not None else v for c, v in case.row.items()}
    with connection.transaction():
        if case.op in "cr":
            names = ", ".join(columns)
            marks = ", ".join(f"%({c})s" for c in columns)
            connection.execute(f"INSERT INTO {SCHEMA}.{case.table} ({names}) VALUES ({marks})", values)
        elif case.op == "u":
            assignments = ", ".join(f"{c} = %({c})s" for c in case.columns)
            connection.execute(f"UPDATE {SCHEMA}.{case.table} SET {assignments} WHERE id = %(id)s", values)
        else:
            connection.execute(f"DELETE FROM {SCHEMA}.{case.table} WHERE id = %(id)s", values)


def create_tables(connection: psycopg.Connection[Any]) -> None:
    connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    connection.execute(f"CREATE SCHEMA {SCHEMA}")
    for table, model, identity in (
        ("engagement_events", "engagement_events", "FULL"),
        ("content", "content", "FULL"),
        ("default_identity", "engagement_events", "DEFAULT"),
    ):
        connection.execute(f"CREATE TABLE {SCHEMA}.{table} (LIKE public.{model} INCLUDING ALL)")
        connection.execute(f"ALTER TABLE {SCHEMA}.{table} REPLICA IDENTITY {identity}")


def setting(name: str, default: str) -> str:
    return os.environ.get(name, default)


def connector_settings(shape: Shape) -> dict[str, str]:
    settings = {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        "plugin.name": "pgoutput",
        "database.hostname": setting("POSTGRES_HOST", "127.0.0.1"),
        "database.port": setting("POSTGRES_PORT", "5432"),
        "database.user": setting("POSTGRES_USER", "streaming_user"),
        "database.password": setting("POSTGRES_PASSWORD", "streaming_pass"),
        "database.dbname": setting("POSTGRES_DB", "streaming_db"),
        "topic.prefix": shape.connector,
        "schema.include.list": SCHEMA,
        "slot.name": shape.connector,
        "slot.drop.on.stop": "true",
        "publication.name": shape.connector,
        "publication.autocreate.mode": "filtered",
        "snapshot.mode": "initial",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "key.converter.schemas.enable": str(shape.schemas).lower(),
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": str(shape.schemas).lower(),
        "value.converter.replace.null.with.default": "false",
        "topic.creation.enable": "true",
        "topic.creation.default.replication.factor": "1",
        "topic.creation.default.partitions": "1",
        "topic.creation.default.max.message.bytes": "8388608",
        "poll.interval.ms": "50",
    }
    if shape.unwrapped:
        settings |= {
            "transforms": "unwrap",
            "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
            "transforms.unwrap.delete.tombstone.handling.mode": "rewrite",
            "transforms.unwrap.add.fields": "op,table,db,ts_ms,lsn,source.sequence,source.ts_ms,source.snapshot",
        }
    return settings


def connect(method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{setting('CONNECT_PORT', '8083')}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        text = reply.read()
    return json.loads(text) if text else None


def remove(connection: psycopg.Connection[Any]) -> None:
    for shape in SHAPES:
        try:
            connect("DELETE", f"/connectors/{shape.connector}")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
    end = time.monotonic() + WAIT_SECONDS
    slots = "SELECT slot_name, active FROM pg_replication_slots WHERE slot_name LIKE 'golden\\_%'"
    while any(active for _, active in connection.execute(slots)) and time.monotonic() < end:
        time.sleep(0.5)
    for slot, _ in connection.execute(slots).fetchall():
        connection.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
    for shape in SHAPES:
        connection.execute(f"DROP PUBLICATION IF EXISTS {shape.connector}")


def expected_messages(cases: list[Case], shape: Shape, table: str) -> list[tuple[Case, bool]]:
    """The messages of a topic in order: (case, is it the tombstone behind a delete)."""
    messages = []
    for case in cases:
        if case.table == table:
            messages.append((case, False))
            if case.op == "d" and not shape.unwrapped:
                messages.append((case, True))
    return messages


def read_topic(topic: str, count: int) -> list[tuple[bytes | None, bytes | None]]:
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": setting("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"),
            "group.id": "golden",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    messages: list[tuple[bytes | None, bytes | None]] = []
    end = time.monotonic() + WAIT_SECONDS
    # A little longer than needed: a message too many must be seen as well.
    while time.monotonic() < end:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            messages.append((message.key(), message.value()))
        elif message is None and len(messages) >= count:
            break
    consumer.close()
    if len(messages) != count:
        raise SystemExit(f"{topic}: {len(messages)} messages, {count} were expected: {messages}")
    return messages


def epoch_us(text: str) -> int:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)


def expectation(case: Case) -> Row:
    if case.rejected:
        return {"rejected": case.rejected}
    expected: Row = {"op": case.op, "snapshot": case.snapshot}
    if case.table == "content":
        return expected | {c: case.row[c] for c in ("id", "content_type", "length_seconds")}
    expected |= {c: case.row[c] for c in EVENT_COLUMNS if c not in ("event_ts", "raw_payload")}
    return expected | {"event_us": epoch_us(case.row["event_ts"])}


def write(shape: Shape, name: str, key: bytes | None, value: bytes | None) -> None:
    folder = HERE / shape.name
    folder.mkdir(exist_ok=True)
    if key is not None:
        (folder / f"{name}.key").write_bytes(key)
    if value is not None and len(value) > LARGE_BYTES:
        (folder / f"{name}.json.gz").write_bytes(gzip.compress(value, mtime=0))
    elif value is not None:
        (folder / f"{name}.json").write_bytes(value)


def record(connection: psycopg.Connection[Any]) -> None:
    before, after = snapshot_cases(), streamed_cases()
    create_tables(connection)
    for case in before:
        apply(connection, case)
    for shape in SHAPES:
        connect("PUT", f"/connectors/{shape.connector}/config", connector_settings(shape))
    for shape in SHAPES:
        for table in ("engagement_events", "content"):
            count = len(expected_messages(before, shape, table))
            read_topic(f"{shape.connector}.{SCHEMA}.{table}", count)
    for case in after:
        apply(connection, case)

    expected: dict[str, Row] = {}
    for shape in SHAPES:
        shutil.rmtree(HERE / shape.name, ignore_errors=True)
        for table in ("engagement_events", "content", "default_identity"):
            wanted = expected_messages(before + after, shape, table)
            messages = read_topic(f"{shape.connector}.{SCHEMA}.{table}", len(wanted))
            for (case, tombstone), (key, value) in zip(wanted, messages):
                name = f"{table}.{case.name}" + ("_tombstone" if tombstone else "")
                write(shape, name, key, value)
                expected[name] = {"tombstone": True} if tombstone else expectation(case)
        print(f"{shape.name}: recorded")
    text = json.dumps(expected, indent=1, sort_keys=True)
    (HERE / "expected.json").write_text(text + "\n")


def delete_topics() -> None:
    admin = confluent_kafka.admin.AdminClient(
        {"bootstrap.servers": setting("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")}
    )
    topics = [t for t in admin.list_topics(timeout=10).topics if t.startswith("golden_")]
    for future in admin.delete_topics(topics).values() if topics else []:
        future.result()


def main() -> None:
    connection = psycopg.connect(
        host=setting("POSTGRES_HOST", "127.0.0.1"),
        port=int(setting("POSTGRES_PORT", "5432")),
        dbname=setting("POSTGRES_DB", "streaming_db"),
        user=setting("POSTGRES_USER", "streaming_user"),
        password=setting("POSTGRES_PASSWORD", "streaming_pass"),
        autocommit=True,
    )
    remove(connection)
    delete_topics()
    try:
        record(connection)
    finally:
        remove(connection)
        delete_topics()
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


if __name__ == "__main__":
    main()
