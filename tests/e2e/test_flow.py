"""Rows that are inserted, updated and deleted in PostgreSQL arrive in every sink as the contract says."""

import signal
import time

import compare
import pytest
from lab import Lab
from services import until

WHOLE = "--rate 2000 --count 4000 --mix 80:15:5".split()


def wait_for_rows(lab: Lab, before: int, rows: int) -> None:
    """Until the connector has brought that many more records."""
    until(f"{rows} more records", 60, lambda: len(lab.records()) >= before + rows, 1)


def test_inserts_updates_and_deletes_reach_every_sink_across_a_stop(source_lab: Lab) -> None:
    lab = source_lab
    engine = lab.engine()
    engine.init()
    engine.start()
    before = len(lab.records())
    lab.generate(*WHOLE, "--seed", "1")
    wait_for_rows(lab, before, 4000)
    lab.assert_equal(engine)

    assert engine.stop() < 10
    lab.generate(*WHOLE, "--seed", "2")
    engine.start()
    lab.generate(*WHOLE, "--seed", "3")
    wait_for_rows(lab, before, 12000)
    report = lab.assert_equal(engine)
    assert report.duplicates == 0


def test_one_row_is_followed_through_all_its_changes(source_lab: Lab) -> None:
    lab = source_lab
    lab.generate("--count", "0")
    engine = lab.engine()
    engine.init()
    engine.start()
    postgres, search = lab.services.postgres, lab.services.elasticsearch
    content = postgres.run("SELECT id, length_seconds, content_type FROM content WHERE length_seconds > 0 LIMIT 1")[0]
    (row_id,) = postgres.run(
        "INSERT INTO engagement_events (content_id, user_id, event_type, event_ts, duration_ms, device, raw_payload)"
        " VALUES (%s, gen_random_uuid(), 'play', now(), %s, %s, '{}') RETURNING id",
        (content[0], content[1] * 500, 'a "quoted" dévice \\ \u2028 \U0001f3a7'),
    )[0]

    def found() -> dict[str, object]:
        documents = [source for _, key, _, source in search.documents() if key == str(row_id)]
        return documents[0] if documents else {}

    until("the document", 30, lambda: found().get("engagement_pct") == 50.0)
    assert found()["device"] == 'a "quoted" dévice \\ \u2028 \U0001f3a7'
    assert found()["content_type"] == content[2]
    postgres.run("UPDATE engagement_events SET duration_ms = NULL, device = NULL WHERE id = %s", (row_id,))
    until("its update", 30, lambda: found().get("device", "") is None)
    postgres.run("DELETE FROM engagement_events WHERE id = %s", (row_id,))
    until("its deletion", 30, lambda: found().get("deleted") is True)
    lab.assert_equal(engine)
    ops = lab.bigquery.query(f"SELECT op FROM {lab.bigquery.name(lab.name)} WHERE id = {row_id} ORDER BY version")
    assert [row["op"] for row in ops] == ["c", "u", "d"]
    assert lab.bigquery.query(f"SELECT id FROM {lab.bigquery.name(lab.name + '_exact')} WHERE id = {row_id}") == []


def test_the_boards_show_the_last_ten_minutes(lab: Lab) -> None:
    lab.generate("--count", "0")  # contents of what comes later: they are read when the engine starts
    engine = lab.engine()
    engine.init()
    engine.start()
    lab.prefill(10_000, "--event-ts", "now,180000")
    lab.settle(engine)
    # A board is computed anew with the first batch a second after the last time.
    time.sleep(1.2)
    lab.produce(lab.flat(10_000_000))
    lab.assert_equal(engine)
    report = compare.compare_boards(lab.expected(), lab.services.redis.boards())
    assert report.equal, str(report)
    assert lab.services.redis.client.get("stats:last_update")


SHAPES = ["unwrapped+schema", "unwrapped", "envelope+schema", "envelope"]
CODECS = ["gzip", "snappy", "lz4", "zstd"]
FETCHERS = ["workers", "librdkafka"]


def run_through(lab: Lab, *more: str, fetcher: str = "auto") -> None:
    lab.prefill(4_000, "--mix", "70:20:10", "--skew", "zipf:1.1", "--payload-bytes", "600", *more)
    engine = lab.engine(KAFKA_FETCHER=fetcher)
    engine.init()
    engine.start()
    report = lab.assert_equal(engine)
    assert report.duplicates == 0
    assert f"records by {'workers' if fetcher == 'auto' else fetcher}" in engine.log()
    engine.signal(signal.SIGTERM)
    assert engine.wait_end() == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_the_connector_writes_is_read(lab: Lab, shape: str) -> None:
    run_through(lab, "--shape", shape)


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_read(lab: Lab, codec: str) -> None:
    """The broker compresses what the generator sent, with Kafka's own libraries."""
    lab.make_topic_anew({"compression.type": codec})
    run_through(lab)


@pytest.mark.parametrize("fetcher", FETCHERS)
def test_either_fetcher_reads_transactions(lab: Lab, fetcher: str) -> None:
    run_through(lab, "--transaction", "700", fetcher=fetcher)
