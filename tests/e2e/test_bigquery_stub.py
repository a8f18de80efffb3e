"""BigQuery as Google documents it, where the emulators are kinder or stranger: see bigquery_stub.py."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import Engine
from lab import Lab
from services import BigQuery, http, until

STUB = Path(__file__).with_name("bigquery_stub.py")
SINKS = {"bigquery"}


class Stub:
    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.process = subprocess.Popen([sys.executable, str(STUB), "0"], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        lab.bigquery = BigQuery(
            lab.services.environment | {"BIGQUERY_HOST": "127.0.0.1", "BIGQUERY_PORT": str(self.port)}, lab.name
        )

    def set(self, **settings: Any) -> dict[str, Any]:
        answer = http("POST", f"http://127.0.0.1:{self.port}/stub", settings)
        assert isinstance(answer, dict)
        return answer

    def counts(self) -> dict[str, int]:
        return dict(self.set()["counts"])

    def engine(self, **changes: Any) -> Engine:
        engine = self.lab.engine(
            SINKS="bigquery", BIGQUERY_HOST="127.0.0.1", BIGQUERY_PORT=self.port, BIGQUERY_BATCH_SIZE=200,
            **changes
        )
        engine.init()
        return engine

    def close(self) -> None:
        self.lab.bigquery = self.lab.services.bigquery(self.lab.name)  # the laboratory drops its table there
        self.process.kill()
        self.process.wait()


@pytest.fixture
def stub(lab: Lab) -> Iterator[Stub]:
    made = Stub(lab)
    yield made
    made.close()


def duplicate_rows(engine: Engine) -> float:
    return engine.metrics().sum("bigquery_duplicate_rows")


def test_every_documented_refusal_and_loss_ends_with_each_row_once(lab: Lab, stub: Stub) -> None:
    """The service remembers nothing by insertId here: whatever is not doubled, is so because it was looked up."""
    lab.prefill(8_000, "--mix", "90:8:2")
    records = len(lab.records())
    engine = stub.engine()
    faults = ["lost", "rate", "backend", "rows", "busy", "cut", "internal", "backend before", "lost"]
    stub.set(dedup_seconds=0, every=2, insert=faults * 2, query=["incomplete", "errors", "backend", "cut"])
    engine.start()
    report = lab.assert_equal(engine, SINKS)
    counts = stub.counts()
    assert stub.set()["insert"] == [] and stub.set()["query"] == [], "not every fault was met"
    assert report.duplicates == 0, f"rows twice in the table: {report.duplicates}; {counts}"
    assert counts["rows stored"] == records
    assert list(lab.services.kafka.dead_letters(lab.dead_letter_topic)) == []


def test_late_requests_double_rows_as_often_as_reported_and_the_view_stays_exact(lab: Lab, stub: Stub) -> None:
    lab.prefill(6_000, "--mix", "90:8:2")
    records = len(lab.records())
    engine = stub.engine()
    stub.set(dedup_seconds=0, late_seconds=5, every=5, insert=["late"] * 3)
    engine.start()
    lab.settle(engine, SINKS)
    # All of them, or the table would change while it is compared.
    until("the late requests", 30, lambda: stub.counts().get("late applied") == 3)
    report = lab.assert_equal(engine, SINKS)
    assert report.duplicates == stub.counts()["rows stored"] - records > 0
    until("the gauge", 30, lambda: duplicate_rows(engine) == report.duplicates)
    print(f"\n{report.duplicates} rows doubled by 3 late requests, and as many in the gauge")


def test_rows_that_queries_see_late_are_held_back_by_their_insert_id(lab: Lab, stub: Stub) -> None:
    lab.prefill(4_000)
    engine = stub.engine()
    stub.set(unseen_seconds=6, every=5, insert=["lost"] * 2)
    engine.start()
    lab.settle(engine, SINKS)
    until("all rows to be seen", 20, lambda: lab.bigquery.count(lab.name) >= 4_000)
    report = lab.assert_equal(engine, SINKS)
    counts = stub.counts()
    assert counts["rows known by insertId"] > 0, "nothing was sent twice: the test proved too little"
    assert report.duplicates == 0


def test_requests_above_the_limits_go_in_parts(lab: Lab, stub: Stub) -> None:
    lab.prefill(2_000)
    engine = stub.engine()
    stub.set(bytes_max=60_000, rows_max=90)
    engine.start()
    report = lab.assert_equal(engine, SINKS)
    counts = stub.counts()
    assert counts["too large"] > 0 and counts["too many rows"] > 0 and report.duplicates == 0
    assert list(lab.services.kafka.dead_letters(lab.dead_letter_topic)) == []


def test_one_row_that_does_not_fit_is_rejected_and_its_neighbours_go_again(lab: Lab, stub: Stub) -> None:
    """A column of another type: one row's value does not convert, so the service keeps out the whole request."""
    engine = stub.engine()
    lab.bigquery.drop()
    fields = [{"name": n, "type": "STRING", "mode": "NULLABLE"} for n in (
        "content_id", "user_id", "event_type", "event_ts", "content_type", "processing_time", "op", "kafka_topic",
        "kafka_ts")]
    fields += [{"name": n, "type": "INTEGER", "mode": "NULLABLE"} for n in (
        "id", "device", "duration_ms", "version", "kafka_partition", "kafka_offset")]
    fields += [{"name": "engagement_pct", "type": "FLOAT"}, {"name": "deleted", "type": "BOOLEAN"}]
    tables = f"{lab.bigquery.url}/datasets/{lab.bigquery.dataset}/tables"
    http("POST", tables, {"tableReference": {"tableId": lab.name}, "schema": {"fields": fields}})
    engine.init()
    engine.start()
    lab.produce(*[lab.flat(i, device="seven" if i == 150 else "7") for i in range(300)])
    lab.settle(engine, SINKS)
    (letter,) = list(lab.services.kafka.dead_letters(lab.dead_letter_topic))
    assert letter[0] == "bigquery" and "Cannot convert" in letter[4]
    assert lab.bigquery.count(lab.name) == 299
    assert stub.counts()["requests with an invalid row"] == 1


def test_a_table_deleted_under_us_is_made_again_loudly(lab: Lab, stub: Stub) -> None:
    engine = stub.engine()
    engine.start()
    lab.produce(*[lab.flat(i) for i in range(100)])
    lab.settle(engine, SINKS)
    until("a first look at the table", 15, lambda: stub.counts().get("tables read", 0) > 2)
    lab.bigquery.drop()
    lab.produce(*[lab.flat(1000 + i) for i in range(100)])
    lab.settle(engine, SINKS)
    assert {int(row["id"]) for row in lab.bigquery.rows()} == set(range(1000, 1100))
    assert "was deleted and is made again" in engine.log()
    assert engine.metrics().sum("bigquery_tables_lost") == 1
