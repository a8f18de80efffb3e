"""The oracle and the comparison themselves, on examples worked out by hand."""

import json
from decimal import Decimal
from typing import Any

import compare
import oracle
import pytest

TOPIC = "t"
VIDEO = "aaaaaaaa-0000-4000-8000-000000000001"
EBOOK = "aaaaaaaa-0000-4000-8000-000000000002"
LATE = "aaaaaaaa-0000-4000-8000-000000000003"
CONTENTS: oracle.Contents = {
    VIDEO: (oracle.Content("video", 600),),
    EBOOK: (oracle.Content("ebook", None),),
    LATE: (None, oracle.Content("demo", 100)),
}


def row(row_id: int, op: str = "c", **changes: Any) -> dict[str, Any]:
    return {
        "id": row_id,
        "content_id": VIDEO,
        "user_id": None,
        "event_type": "play",
        "event_ts": "2026-01-01T10:20:30.5Z",
        "duration_ms": 60000,
        "device": "ios",
        "raw_payload": None,
        "__deleted": "true" if op == "d" else "false",
        "__op": op,
        "__lsn": 1000 + row_id,
    } | changes


def records(*rows: Any) -> list[oracle.Record]:
    values = [r if isinstance(r, bytes) or r is None else json.dumps(r).encode() for r in rows]
    return [oracle.Record(TOPIC, 0, i, 1767262830500, value) for i, value in enumerate(values)]


def expect(*rows: Any) -> oracle.Expected:
    return oracle.expect(records(*rows), CONTENTS)


def document(event: oracle.Event, content_type: str | None, pct: float | None, **changes: Any) -> dict[str, Any]:
    return {
        "id": event.id,
        "content_id": event.content_id,
        "user_id": event.user_id,
        "event_type": event.event_type,
        "device": event.device,
        "content_type": content_type,
        "event_timestamp": event.time.isoformat().replace("+00:00", "Z"),
        "@timestamp": event.time.isoformat().replace("+00:00", "Z"),
        "processing_time": "2026-01-01T10:20:30.500Z",
        "duration_ms": event.duration_ms,
        "engagement_pct": pct,
        "deleted": event.op == "d",
    } | changes


@pytest.mark.parametrize(
    ("duration_ms", "length", "wanted"),
    [
        (60000, 600, "10.00"),
        (1, 1000, "0.00"),
        (1, 20, "0.01"),  # 0.005 exactly: away from zero
        (1, 21, "0.00"),
        (-1, 20, "-0.01"),
        (2147483647, 1, "214748364.70"),
        (1, 3, "0.03"),
        (1, 6, "0.02"),  # 0.01666…
    ],
)
def test_percentages_are_rounded_half_away_from_zero(duration_ms: int, length: int, wanted: str) -> None:
    assert oracle.engagement_pct(duration_ms, length) == Decimal(wanted)


@pytest.mark.parametrize(("duration_ms", "length"), [(None, 600), (1, None), (1, 0), (1, -5)])
def test_a_missing_part_makes_no_percentage(duration_ms: int | None, length: int | None) -> None:
    assert oracle.engagement_pct(duration_ms, length) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000),
        ("1970-01-01T00:00:00.123456789Z", 123456),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1970-01-01 00:00:00", 0),
    ],
)
def test_times_become_microseconds(text: str, wanted: int) -> None:
    assert oracle.iso_us(text) == wanted


@pytest.mark.parametrize("text", ["1970-01-01", "1970-13-01T00:00:00Z", "1970-01-01T00:00:00.Z", "now", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        oracle.iso_us(text)


def test_only_creates_and_snapshots_are_counted() -> None:
    found = expect(row(1), row(2, "r"), row(1, "u", __lsn=2000), row(2, "d", __lsn=2001))
    assert found.access == {("202601011020", "video"): oracle.Spread(2, 2)}
    assert found.engagement == {("202601011020", "video"): oracle.Spread(2000, 2000)}
    assert len(found.rows) == 4
    assert found.documents[("engagement-events-2026-01-01", 2)].op == "d"
    assert found.newest[1].op == "u"


def test_wrapped_bare_and_enveloped_records_mean_the_same() -> None:
    after = {k: v for k, v in row(1).items() if not k.startswith("__")}
    envelope = {"before": None, "after": after, "source": {"lsn": 1001}, "op": "c", "ts_ms": 1}
    found = [expect(r) for r in (row(1), {"schema": {"type": "struct"}, "payload": row(1)}, envelope)]
    assert found[0].documents == found[1].documents == found[2].documents != {}


def test_tombstones_and_null_are_skipped() -> None:
    found = expect(None, b"null", b'{"schema":null,"payload":null}', {"op": "t", "source": {}})
    assert (found.skipped, found.event_count, found.dead) == (4, 0, set())


@pytest.mark.parametrize(
    "value",
    [
        b"not json",
        b'{"id":1',
        b'{"id":1}{}',
        b'{"id":1,"device":"\xff"}',
        b'{"id":1,"device":"\\ud800"}',
        b"[1]",
        row(1, id=None),
        row(1, id="1"),
        row(1, id=1.0),
        row(1, id=2**63),
        row(1, "x"),
        row(1, event_ts=None),
        row(1, "d", event_ts=None),
        row(1, content_id="nobody"),
        row(1, duration_ms=2**31),
        row(1, device=5),
        json.dumps(row(1)).replace('"id": 1', '"id": 1, "id": 1').encode(),
    ],
)
def test_poison_is_expected_in_the_dead_letters(value: Any) -> None:
    found = expect(value, row(9))
    assert found.dead == {("all", TOPIC, 0, 0)}
    assert list(found.rows) == [(0, 1)]


def test_a_record_without_a_version_is_dead_for_elasticsearch_alone() -> None:
    found = expect(row(1, __lsn=None))
    assert found.dead == {("elasticsearch", TOPIC, 0, 0)}
    assert found.documents == {} and len(found.rows) == 1 and found.counted == 1


def test_boards_look_back_ten_minutes_from_the_newest_event() -> None:
    found = expect(
        row(1, event_ts="2026-01-01T10:00:00Z"),
        row(2, event_ts="2026-01-01T10:01:00Z", duration_ms=30000),
        row(3, event_ts="2026-01-01T10:10:59Z", duration_ms=60000),
        row(4, event_ts="2026-01-01T10:10:00Z", content_id=EBOOK),
    )
    assert oracle.boards(found) == {
        "stats:top_by_access": {"video": Decimal(2), "ebook": Decimal(1)},
        "stats:top_by_engagement": {"video": Decimal("7.5")},
        "stats:top_content": {VIDEO: Decimal(15)},
    }


def test_equal_windows_have_no_difference() -> None:
    found = expect(row(1), row(2))
    minute = "202601011020"
    report = compare.compare_redis(found, {(minute, "video"): 2}, {(minute, "video"): Decimal("20.004")})
    assert report.equal, str(report)


@pytest.mark.parametrize(("count", "kind"), [(1, "redis lost"), (3, "redis counted too often")])
def test_a_wrong_count_is_seen(count: int, kind: str) -> None:
    minute = "202601011020"
    report = compare.compare_redis(
        expect(row(1), row(2)), {(minute, "video"): count}, {(minute, "video"): Decimal(20)}
    )
    assert report.counts == {kind: 1, "redis total": 1}


def test_a_wrong_sum_is_seen() -> None:
    minute = "202601011020"
    report = compare.compare_redis(expect(row(1)), {(minute, "video"): 1}, {(minute, "video"): Decimal("10.02")})
    assert report.counts == {"redis engagement": 1}


def test_a_late_content_may_count_as_either_but_once() -> None:
    found = expect(row(1, content_id=LATE))
    minute = "202601011020"
    engaged = {(minute, "demo"): Decimal(60)}
    assert compare.compare_redis(found, {(minute, "demo"): 1}, engaged).equal
    assert compare.compare_redis(found, {(minute, "unknown"): 1}, {}).equal
    both = compare.compare_redis(found, {(minute, "unknown"): 1, (minute, "demo"): 1}, engaged)
    assert both.counts == {"redis total": 1}


def test_documents_are_compared_by_version_and_field() -> None:
    found = expect(row(1), row(2), row(3))
    index = "engagement-events-2026-01-01"
    events = [found.documents[index, i] for i in (1, 2, 3)]
    good = document(events[0], "video", 10.0)
    assert compare.compare_documents(found, [(index, str(e.id), e.lsn or 0, good | {"id": e.id}) for e in events]).equal
    report = compare.compare_documents(
        found,
        [
            (index, "1", 5, good),
            (index, "2", 1002, document(events[1], "video", 10.0, device="android")),
            ("engagement-events-2026-01-02", "2", 1002, good),
        ],
    )
    assert report.counts == {
        "elasticsearch version": 1,
        "elasticsearch field": 1,
        "elasticsearch unexpected": 1,
        "elasticsearch lost": 1,
    }


def table_row(event: oracle.Event, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(event.id),
        "content_id": event.content_id,
        "user_id": event.user_id,
        "event_type": event.event_type,
        "event_ts": event.time.strftime("%Y-%m-%d %H:%M:%S"),
        "device": event.device,
        "content_type": "video",
        "duration_ms": str(event.duration_ms),
        "engagement_pct": "10.0",
        "op": event.op,
        "deleted": "true" if event.op == "d" else "false",
        "version": str(event.lsn),
        "kafka_topic": TOPIC,
        "kafka_partition": "0",
        "kafka_offset": str(event.offset),
    } | changes


def test_rows_may_be_doubled_but_not_lost() -> None:
    found = expect(row(1), row(2))
    one, two = found.rows.values()
    report = compare.compare_rows(found, TOPIC, [table_row(one), table_row(one), table_row(two)])
    assert report.equal and report.duplicates == 1
    assert compare.compare_rows(found, TOPIC, [table_row(one)]).counts == {"bigquery lost": 1}
    wrong = table_row(two, device="x")
    assert compare.compare_rows(found, TOPIC, [table_row(one), wrong]).counts == {"bigquery field": 1}


def test_the_view_shows_the_newest_once_and_hides_the_deleted() -> None:
    found = expect(row(1), row(1, "u", __lsn=2000, duration_ms=6000), row(2), row(2, "d", __lsn=2001))
    newest = table_row(found.newest[1], engagement_pct=1)
    assert compare.compare_view(found, [newest]).equal
    old = table_row(found.rows[0, 0])
    assert "bigquery view field" in compare.compare_view(found, [old]).counts
    assert compare.compare_view(found, [newest, newest]).counts == {"bigquery view twice": 1}
    assert compare.compare_view(found, [newest, table_row(found.newest[2])]).counts == {"bigquery view unexpected": 1}
    assert compare.compare_view(found, []).counts == {"bigquery view lost": 1}


def test_dead_letters_may_repeat_but_carry_a_reason() -> None:
    found = expect(b"x", row(1))
    key = ("all", TOPIC, 0, 0)
    assert compare.compare_dead(found, [(*key, "not JSON"), (*key, "not JSON")]).equal
    assert compare.compare_dead(found, []).counts == {"dead letter lost": 1}
    assert compare.compare_dead(found, [(*key, "")]).counts == {"dead letter without reason": 1}
    other = ("redis", TOPIC, 0, 1, "why")
    assert compare.compare_dead(found, [(*key, "not JSON"), other]).counts == {"dead letter unexpected": 1}


def test_what_a_sink_that_is_not_asked_must_hold_is_left_out() -> None:
    several = records(row(1), row(2, __lsn=None), b"poison")
    alone = oracle.expect(iter(several), CONTENTS, sinks={"redis"})
    assert alone.counted == 2 and not alone.documents and not alone.rows
    assert {key[0] for key in alone.dead} == {"all"}
    search = oracle.expect(iter(several), CONTENTS, sinks={"elasticsearch"})
    assert len(search.documents) == 1 and not search.access and not search.rows
    assert {key[0] for key in search.dead} == {"all", "elasticsearch"}


@pytest.mark.parametrize("name", ["user_id", "device", "duration_ms", "deleted", "event_timestamp", "@timestamp", "content_type"])
def test_each_wrong_field_of_a_document_is_seen(name: str) -> None:
    expected = expect(row(1))
    (event,) = expected.documents.values()
    source = document(event, "video", 10.0)
    index = oracle.index_of(event.event_us)
    assert compare.compare_documents(expected, [(index, "1", event.lsn or 0, source)]).equal
    wrong = source | {name: "2026-01-01T10:20:30.499Z"}
    assert not compare.compare_documents(expected, [(index, "1", event.lsn or 0, wrong)]).equal
