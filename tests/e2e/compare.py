"""Expected against found: what is lost, doubled, different or unexpected, in words."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import oracle

EXAMPLES = 8
# Sums are added in hundredths; what a sink shows of them is a binary fraction.
TOLERANCE = Decimal("0.01")


@dataclass
class Report:
    """Counts by kind of difference, with a few examples of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    duplicates: int = 0  # rows of BigQuery's table beyond the first of an event: allowed there, and counted

    def add(self, kind: str, what: str) -> None:
        self.counts[kind] += 1
        if self.counts[kind] <= EXAMPLES:
            self.examples.setdefault(kind, []).append(what)

    def merge(self, other: "Report") -> None:
        self.counts.update(other.counts)
        self.examples.update(other.examples)
        self.duplicates += other.duplicates

    @property
    def equal(self) -> bool:
        return not self.counts

    def __str__(self) -> str:
        lines = []
        for kind, count in self.counts.items():
            lines.append(f"{kind}: {count}")
            lines += [f"    {line}" for line in self.examples[kind]]
        return "\n".join(lines) or "equal"


# --- Redis ------------------------------------------------------------------------------------------------------------


def compare_redis(
    expected: oracle.Expected, access: dict[tuple[str, str], int], engagement: dict[tuple[str, str], Decimal]
) -> Report:
    report = Report()
    for name in expected.access.keys() | access.keys():
        spread = expected.access.get(name, oracle.Spread())
        found = access.get(name, 0)
        if not spread.least <= found <= spread.most:
            kind = "redis lost" if found < spread.least else "redis counted too often"
            report.add(kind, f"access {name}: {found}, expected {spread.least} to {spread.most}")
    totals: Counter[str] = Counter()
    for (minute, _), found in access.items():
        totals[minute] += found
    for minute in expected.access_total.keys() | totals.keys():
        if totals[minute] != expected.access_total[minute]:
            report.add("redis total", f"{minute}: {totals[minute]}, expected {expected.access_total[minute]}")
    for name in expected.engagement.keys() | engagement.keys():
        spread = expected.engagement.get(name, oracle.Spread())
        found_sum = engagement.get(name, Decimal(0))
        low, high = Decimal(spread.least) / 100 - TOLERANCE, Decimal(spread.most) / 100 + TOLERANCE
        if not low <= found_sum <= high:
            report.add("redis engagement", f"{name}: {found_sum}, expected {spread.least} to {spread.most} hundredths")
    return report


def compare_boards(expected: oracle.Expected, found: dict[str, dict[str, Decimal]]) -> Report:
    report = Report()
    for board, wanted in oracle.boards(expected).items():
        seen = found.get(board, {})
        if board == "stats:top_content":
            compare_top(report, board, wanted, seen, 20)
            continue
        for name in wanted.keys() | seen.keys():
            if abs(seen.get(name, Decimal(-1)) - wanted.get(name, Decimal(-1))) > TOLERANCE:
                report.add("redis board", f"{board} {name}: {seen.get(name)}, expected {wanted.get(name)}")
    return report


def compare_top(
    report: Report, board: str, wanted: dict[str, Decimal], seen: dict[str, Decimal], size: int
) -> None:
    """A board of the highest: which of two equal ones is last is nobody's business."""
    scores = sorted(wanted.values(), reverse=True)[:size]
    if len(seen) != len(scores):
        report.add("redis board", f"{board} has {len(seen)} entries, expected {len(scores)}")
    for name, score in seen.items():
        if abs(score - wanted.get(name, Decimal(-1))) > TOLERANCE or score < scores[-1] - TOLERANCE:
            report.add("redis board", f"{board} {name}: {score}, expected {wanted.get(name)}, last is {scores[-1]}")


# --- Elasticsearch ----------------------------------------------------------------------------------------------------


def compare_documents(
    expected: oracle.Expected, found: Iterable[tuple[str, str, int, dict[str, Any]]]
) -> Report:
    report = Report()
    seen: set[tuple[str, int]] = set()
    for index, doc_id, doc_version, source in found:
        key = (index, int(doc_id))
        event = expected.documents.get(key)
        if event is None:
            report.add("elasticsearch unexpected", f"{index}/{doc_id}")
            continue
        if key in seen:
            report.add("elasticsearch twice", f"{index}/{doc_id}")
        seen.add(key)
        if doc_version != event.lsn:
            report.add("elasticsearch version", f"{index}/{doc_id}: {doc_version}, expected {event.lsn}")
        if document_is_right(expected, event, source):
            continue
        for name, value, accepts in document_fields(expected, event, source):
            if not accepts(value):
                report.add("elasticsearch field", f"{index}/{doc_id}: {name} is {value!r}, of event {event}")
    for index, row_id in expected.documents.keys() - seen:
        report.add("elasticsearch lost", f"{index}/{row_id}")
    return report


def is_time(event_us: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and oracle.iso_us(value) == event_us


def enriched(expected: oracle.Expected, event: oracle.Event, content_type: Any, pct: Any) -> bool:
    """The two belong to one version of the content."""
    for wanted_type, wanted_pct in expected.alternatives(event):
        if content_type != wanted_type or (pct is None) != (wanted_pct is None):
            continue
        if wanted_pct is None or abs(Decimal(str(pct)) - wanted_pct) < TOLERANCE / 2:
            return True
    return False


def document_is_right(expected: oracle.Expected, event: oracle.Event, source: dict[str, Any]) -> bool:
    """The common case in one look; whatever is not so is looked at field by field."""
    get = source.get
    return (
        get("id") == event.id and get("content_id") == event.content_id and get("user_id") == event.user_id
        and get("event_type") == event.event_type and get("device") == event.device
        and get("duration_ms") == event.duration_ms and get("deleted") is (event.op == "d")
        and get("event_timestamp") == get("@timestamp") and is_time(event.event_us)(get("@timestamp"))
        and get("processing_time") is not None
        and enriched(expected, event, get("content_type"), get("engagement_pct"))
    )


def document_fields(
    expected: oracle.Expected, event: oracle.Event, source: dict[str, Any]
) -> Iterable[tuple[str, Any, Callable[[Any], bool]]]:
    for name in ("id", "content_id", "user_id", "event_type", "device", "duration_ms"):
        wanted = getattr(event, name)
        yield name, source.get(name), lambda value, wanted=wanted: value == wanted
    yield "event_timestamp", source.get("event_timestamp"), is_time(event.event_us)
    yield "@timestamp", source.get("@timestamp"), is_time(event.event_us)
    yield "deleted", source.get("deleted"), lambda value: value is (event.op == "d")
    yield "processing_time", source.get("processing_time"), lambda value: value is not None
    pair = (source.get("content_type"), source.get("engagement_pct"))
    yield "content_type and engagement_pct", pair, lambda value: enriched(expected, event, *value)


# --- BigQuery ---------------------------------------------------------------------------------------------------------


def compare_rows(expected: oracle.Expected, topic: str, found: Iterable[dict[str, Any]]) -> Report:
    """The base table: each event at least once. Doubled rows are counted, not refused."""
    report = Report()
    seen: Counter[tuple[int, int]] = Counter()
    for row in found:
        if row["kafka_topic"] != topic:
            report.add("bigquery unexpected", f"topic {row['kafka_topic']}")
            continue
        key = (int(row["kafka_partition"]), int(row["kafka_offset"]))
        event = expected.rows.get(key)
        if event is None:
            report.add("bigquery unexpected", f"partition {key[0]} offset {key[1]}")
            continue
        seen[key] += 1
        if row_is_right(expected, event, row):
            continue
        for name, value, wanted in row_fields(expected, event, row):
            if value != wanted:
                report.add("bigquery field", f"{key}: {name} is {value!r}, expected {wanted!r}")
    for key in expected.rows.keys() - seen.keys():
        report.add("bigquery lost", f"partition {key[0]} offset {key[1]}")
    report.duplicates = sum(seen.values()) - len(seen)
    return report


def compare_view(expected: oracle.Expected, found: Iterable[dict[str, Any]]) -> Report:
    """The view: the newest version of each id once, deleted ones hidden."""
    report = Report()
    wanted = {row_id: event for row_id, event in expected.newest.items() if event.op != "d"}
    seen: set[int] = set()
    for row in found:
        row_id = int(row["id"])
        if row_id in seen:
            report.add("bigquery view twice", f"id {row_id}")
        seen.add(row_id)
        event = wanted.get(row_id)
        if event is None:
            report.add("bigquery view unexpected", f"id {row_id}")
            continue
        if row_is_right(expected, event, row):
            continue
        for name, value, right in row_fields(expected, event, row):
            if value != right:
                report.add("bigquery view field", f"id {row_id}: {name} is {value!r}, expected {right!r}")
    for row_id in wanted.keys() - seen:
        report.add("bigquery view lost", f"id {row_id}")
    return report


def whole(value: Any) -> int | None:
    return None if value is None else int(value)


def truth(value: Any) -> bool | None:
    return value if value is None or isinstance(value, bool) else value == "true"


@lru_cache(maxsize=100_000)
def second_text(second: int) -> str:
    return (oracle.EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S")


def row_is_right(expected: oracle.Expected, event: oracle.Event, row: dict[str, Any]) -> bool:
    """The common case in one look; whatever is not so is looked at field by field."""
    return (
        whole(row["id"]) == event.id and row["content_id"] == event.content_id and row["user_id"] == event.user_id
        and row["event_type"] == event.event_type and row["device"] == event.device and row["op"] == event.op
        and row["event_ts"] == second_text(event.event_us // 1_000_000)
        and whole(row["duration_ms"]) == event.duration_ms and truth(row["deleted"]) == (event.op == "d")
        and whole(row["version"]) == event.lsn and whole(row["kafka_partition"]) == event.partition
        and whole(row["kafka_offset"]) == event.offset
        and enriched(expected, event, row["content_type"], row["engagement_pct"])
    )


def row_fields(
    expected: oracle.Expected, event: oracle.Event, row: dict[str, Any]
) -> Iterable[tuple[str, Any, Any]]:
    yield "id", whole(row["id"]), event.id
    for name in ("content_id", "user_id", "event_type", "device", "op"):
        yield name, row[name], getattr(event, name)
    yield "event_ts", row["event_ts"], event.time.strftime("%Y-%m-%d %H:%M:%S")
    yield "duration_ms", whole(row["duration_ms"]), event.duration_ms
    yield "deleted", truth(row["deleted"]), event.op == "d"
    yield "version", whole(row["version"]), event.lsn
    yield "place", (whole(row["kafka_partition"]), whole(row["kafka_offset"])), (event.partition, event.offset)
    pair = (row["content_type"], row["engagement_pct"])
    if not enriched(expected, event, *pair):
        yield "content_type and engagement_pct", pair, expected.alternatives(event)


# --- dead letters -----------------------------------------------------------------------------------------------------


def compare_dead(expected: oracle.Expected, found: Iterable[tuple[str, str, int, int, str]]) -> Report:
    """Each rejected record is there at least once (a crash may repeat one), with a reason, and no other."""
    report = Report()
    seen: set[tuple[str, str, int, int]] = set()
    for sink, topic, partition, offset, reason in found:
        key = (sink, topic, partition, offset)
        seen.add(key)
        if key not in expected.dead:
            report.add("dead letter unexpected", f"{key}: {reason}")
        if not reason.strip():
            report.add("dead letter without reason", f"{key}")
    for key in expected.dead - seen:
        report.add("dead letter lost", f"{key}")
    return report
