"""What the sinks must hold, worked out from the Kafka log alone.

An independent reading of the contract: Python's json and Decimal, no code and no table shared with the engine.

    records (read_committed) + contents  ->  Expected: windows, documents, rows, dead letters

Content may change while events are read, so an event is given every content version that was valid then; where they
differ, compare.py accepts any of them.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any, NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
UNKNOWN = "unknown"
ALL_SINKS = "all"
SINKS = ("redis", "bigquery", "elasticsearch")
COUNTED = ("c", "r")
IGNORED_OPS = ("t", "m")
UNAVAILABLE = "__debezium_unavailable_value"
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
# What the connector writes; any other spelling takes the long way.
USUAL_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d):([0-5]\d)(?:\.(\d{1,9}))?Z", re.ASCII)
INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)


class Record(NamedTuple):
    """One record of a topic, as a read_committed consumer sees it."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    value: bytes | None


class Content(NamedTuple):
    """What the content table says of one content; None instead of it: the content is not known."""

    content_type: str
    length_seconds: int | None


Contents = dict[str, tuple[Content | None, ...]]


class Rejected(Exception):
    """The record can be delivered to nobody."""


@dataclass(slots=True)
class Event:
    partition: int
    offset: int
    timestamp_ms: int
    op: str
    id: int
    lsn: int | None
    content_id: str | None
    user_id: str | None
    event_type: str
    event_us: int
    duration_ms: int | None
    device: str | None

    @property
    def time(self) -> datetime:
        return EPOCH + timedelta(microseconds=self.event_us)

    @property
    def minute(self) -> str:
        return minute_of(self.event_us)


@lru_cache(maxsize=100_000)
def minute_text(minute: int) -> str:
    return (EPOCH + timedelta(minutes=minute)).strftime("%Y%m%d%H%M")


def minute_of(event_us: int) -> str:
    return minute_text(event_us // 60_000_000)


@lru_cache(maxsize=100_000)
def day_text(day: int) -> str:
    return (EPOCH + timedelta(days=day)).strftime("%Y-%m-%d")


def index_of(event_us: int) -> str:
    return "engagement-events-" + day_text(event_us // 86_400_000_000)


@lru_cache(maxsize=1_000_000)
def engagement_pct(duration_ms: int | None, length_seconds: int | None) -> Decimal | None:
    """engagement_seconds / length_seconds * 100, to two places, halves away from zero."""
    if duration_ms is None or length_seconds is None or length_seconds <= 0:
        return None
    exact = Decimal(duration_ms) / Decimal(1000) / Decimal(length_seconds) * Decimal(100)
    # A quotient that looks like a half may have been rounded to one: ask the integers.
    twice, rest = divmod(abs(duration_ms) * 20, length_seconds)
    if rest == 0 and twice % 2 == 1:
        return Decimal((twice + 1) // 2 * (1 if duration_ms >= 0 else -1)) / 100
    return exact.quantize(Decimal("0.01"), ROUND_HALF_UP)


# --- decoding ---------------------------------------------------------------------------------------------------------


def pairs_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Rejected("a key stands twice")
    return found


def refuse_constant(text: str) -> None:
    raise Rejected(f"{text} is no JSON")


STRICT = json.JSONDecoder(object_pairs_hook=pairs_without_repeats, parse_constant=refuse_constant)


def parse_json(data: bytes) -> Any:
    try:
        text = data.decode("utf-8")
        found = STRICT.decode(text)
    except UnicodeDecodeError as error:
        raise Rejected("not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise Rejected("not JSON") from error
    if "\\ud" in text.lower():
        refuse_lone_surrogates(found)
    return found


def refuse_lone_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise Rejected("a lone surrogate") from error


class Decoder:
    """Records to events. The schema part of a record is not looked at, so it is only parsed once per spelling."""

    MARK = b',"payload":'

    def __init__(self, record_max_bytes: int = 4194304) -> None:
        self.record_max_bytes = record_max_bytes
        self.known_schemas: set[bytes] = set()

    def payload(self, value: bytes) -> Any:
        cut = value.find(self.MARK)
        if cut > 0 and value.startswith(b'{"schema":') and value.endswith(b"}"):
            schema = value[len(b'{"schema":') : cut]
            if schema not in self.known_schemas:
                parse_json(schema)
                self.known_schemas.add(schema)
            return parse_json(value[cut + len(self.MARK) : -1])
        found = parse_json(value)
        if isinstance(found, dict) and "payload" in found and "schema" in found:
            return found["payload"]
        return found

    def decode(self, record: Record) -> Event | None:
        """None: nothing to deliver (tombstone, truncate, message)."""
        if record.value is None:
            return None
        if len(record.value) > self.record_max_bytes:
            raise Rejected("above RECORD_MAX_BYTES")
        row = self.payload(record.value)
        if row is None:
            return None
        if not isinstance(row, dict):
            raise Rejected("not an object")
        if "op" in row and ("before" in row or "after" in row or "source" in row):
            return decode_envelope(record, row)
        return decode_flat(record, row)


def decode_envelope(record: Record, change: dict[str, Any]) -> Event | None:
    op = change["op"]
    if op in IGNORED_OPS:
        return None
    row = change.get("before") if op == "d" else change.get("after")
    if not isinstance(row, dict):
        raise Rejected("no row")
    source = change.get("source")
    return make_event(record, op, row, source.get("lsn") if isinstance(source, dict) else None)


def decode_flat(record: Record, row: dict[str, Any]) -> Event | None:
    op = row.get("__op")
    if op in IGNORED_OPS:
        return None
    if row.get("__deleted") in ("true", True):
        op = "d"
    return make_event(record, op, row, row.get("__lsn"))


def make_event(record: Record, op: Any, row: dict[str, Any], lsn: Any) -> Event:
    if op not in ("c", "r", "u", "d"):
        raise Rejected(f"op {op!r} is not known")
    return Event(
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp_ms,
        op=op,
        id=integer(row, "id", INT64, needed=True),
        lsn=None if lsn is None else integer({"lsn": lsn}, "lsn", INT64),
        content_id=uuid(row, "content_id"),
        user_id=text(row, "user_id"),
        event_type=text(row, "event_type", needed=True),
        event_us=time_us(row, "event_ts"),
        duration_ms=integer(row, "duration_ms", INT32),
        device=text(row, "device"),
    )


def needed_value(row: dict[str, Any], name: str, needed: bool) -> Any:
    value = row.get(name)
    if value is None and needed:
        raise Rejected(f"{name} is missing")
    return value


def integer(row: dict[str, Any], name: str, bounds: range, needed: bool = False) -> Any:
    value = needed_value(row, name, needed)
    if value is None:
        return None
    if type(value) is not int:
        raise Rejected(f"{name} is no integer")
    if value not in bounds:
        raise Rejected(f"{name} is out of range")
    return value


def text(row: dict[str, Any], name: str, needed: bool = False) -> Any:
    value = needed_value(row, name, needed)
    if value is not None and not isinstance(value, str):
        raise Rejected(f"{name} is no text")
    return value


def uuid(row: dict[str, Any], name: str) -> str | None:
    value = text(row, name)
    if value is not None and not UUID.fullmatch(value):
        raise Rejected(f"{name} is no UUID")
    return value


def time_us(row: dict[str, Any], name: str) -> int:
    value = needed_value(row, name, needed=True)
    if type(value) is int:
        return value if abs(value) >= 10**14 else value * 1000
    if not isinstance(value, str):
        raise Rejected(f"{name} is no time")
    try:
        return iso_us(value)
    except (ValueError, OverflowError) as error:
        raise Rejected(f"{name} is no time") from error


@lru_cache(maxsize=100_000)
def minute_us(text: str) -> int:
    return (datetime.fromisoformat(text + ":00+00:00") - EPOCH) // timedelta(microseconds=1)


def iso_us(value: str) -> int:
    """Microseconds since 1970; what is finer than a microsecond is cut off."""
    if usual := USUAL_TIME.fullmatch(value):
        return minute_us(usual[1]) + int(usual[2]) * 1_000_000 + int(((usual[3] or "") + "000000")[:6])
    head, fraction, zone = value, "", ""
    for i, letter in enumerate(value):
        if i >= 19 and letter in "Z+-":
            head, zone = value[:i], value[i:]
            break
    if "." in head:
        head, fraction = head.split(".", 1)
        if not (1 <= len(fraction) <= 9 and fraction.isascii() and fraction.isdigit()):
            raise ValueError(value)
    moment = datetime.fromisoformat(head + ("+00:00" if zone in ("", "Z") else zone))
    if len(head) != 19:
        raise ValueError(value)
    whole = (moment - EPOCH) // timedelta(seconds=1)
    return whole * 1_000_000 + int((fraction + "000000")[:6])


# --- what is expected -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Spread:
    """A sum of which a part is certain and the rest depends on the content version that was seen."""

    least: int = 0
    most: int = 0

    def add(self, low: int, high: int) -> None:
        self.least += low
        self.most += high


@dataclass
class Expected:
    """Of the sinks that are asked for; what only the others must hold takes no room."""

    contents: Contents
    sinks: Collection[str] = SINKS
    event_count: int = 0
    counted: int = 0  # events that Redis counts
    skipped: int = 0  # records that nobody gets: tombstones and the like
    newest_minute: str = ""
    access: dict[tuple[str, str], Spread] = field(default_factory=dict)  # (minute, type) -> events
    access_total: Counter[str] = field(default_factory=Counter)  # minute -> events
    engagement: dict[tuple[str, str], Spread] = field(default_factory=dict)  # (minute, type) -> hundredths
    with_pct: dict[tuple[str, str], Spread] = field(default_factory=dict)  # (minute, type) -> events that have a pct
    by_content: dict[tuple[str, str], Spread] = field(default_factory=dict)  # (minute, content_id) -> hundredths
    documents: dict[tuple[str, int], Event] = field(default_factory=dict)  # (index, id) -> newest change
    rows: dict[tuple[int, int], Event] = field(default_factory=dict)  # (partition, offset) -> change
    newest: dict[int, Event] = field(default_factory=dict)  # id -> newest change
    dead: set[tuple[str, str, int, int]] = field(default_factory=set)  # (sink, topic, partition, offset)

    def alternatives(self, event: Event) -> set[tuple[str | None, Decimal | None]]:
        """Every (content_type, engagement_pct) that the event may have been given."""
        if event.content_id is None:
            return {(None, None)}
        found: set[tuple[str | None, Decimal | None]] = set()
        for content in self.contents.get(event.content_id.lower(), (None,)):
            if content is None:
                found.add((None, None))
            else:
                found.add((content.content_type, engagement_pct(event.duration_ms, content.length_seconds)))
        return found

    def add(self, event: Event, document: bool = True) -> None:
        self.event_count += 1
        if document and "elasticsearch" in self.sinks:
            key = (index_of(event.event_us), event.id)
            if key not in self.documents or version(event) > version(self.documents[key]):
                self.documents[key] = event
        if "bigquery" in self.sinks:
            self.rows[event.partition, event.offset] = event
            if event.id not in self.newest or version(event) > version(self.newest[event.id]):
                self.newest[event.id] = event
        if event.op in COUNTED and "redis" in self.sinks:
            self.count(event)

    def count(self, event: Event) -> None:
        self.counted += 1
        minute = event.minute
        self.newest_minute = max(self.newest_minute, minute)
        self.access_total[minute] += 1
        choices = self.alternatives(event)
        sure = len(choices) == 1
        for content_type, pct in choices:
            name = (minute, content_type or UNKNOWN)
            self.access.setdefault(name, Spread()).add(1 if sure else 0, 1)
            if pct is None:
                continue
            hundredths = int(pct * 100)
            low, high = (hundredths, hundredths) if sure else (min(0, hundredths), max(0, hundredths))
            self.engagement.setdefault(name, Spread()).add(low, high)
            self.with_pct.setdefault(name, Spread()).add(1 if sure else 0, 1)
            content = (minute, str(event.content_id).lower())
            self.by_content.setdefault(content, Spread()).add(low, high)


def version(event: Event) -> tuple[int, int]:
    """Of two changes of one row the newer has the greater; the offset only decides between equal ones."""
    return (event.lsn if event.lsn is not None else event.offset, -event.offset)


def expect(
    records: Iterable[Record], contents: Contents, record_max_bytes: int = 4194304, sinks: Collection[str] = SINKS
) -> Expected:
    """Reads the records once, so they may come as a stream."""
    expected = Expected(contents, frozenset(sinks))
    decoder = Decoder(record_max_bytes)
    for record in records:
        try:
            event = decoder.decode(record)
        except Rejected:
            expected.dead.add((ALL_SINKS, record.topic, record.partition, record.offset))
            continue
        if event is None:
            expected.skipped += 1
        elif event.lsn is None:
            # Without an LSN there is no version: Elasticsearch alone refuses the record.
            if "elasticsearch" in expected.sinks:
                expected.dead.add(("elasticsearch", record.topic, record.partition, record.offset))
            expected.add(event, document=False)
        else:
            expected.add(event)
    return expected


# --- boards -----------------------------------------------------------------------------------------------------------


def last_minutes(newest: str, count: int = 10) -> list[str]:
    end = datetime.strptime(newest, "%Y%m%d%H%M")
    return [(end - timedelta(minutes=i)).strftime("%Y%m%d%H%M") for i in range(count)]


def boards(expected: Expected) -> dict[str, dict[str, Decimal]]:
    """The stats:* boards over the ten minutes that end at the newest one. Only for contents that did not change."""
    window = set(last_minutes(expected.newest_minute))
    access: Counter[str] = Counter()
    hundredths: Counter[str] = Counter()
    with_pct: Counter[str] = Counter()
    contents: Counter[str] = Counter()
    for (minute, name), spread in expected.access.items():
        if minute in window:
            access[name] += spread.least
    for (minute, name), spread in expected.engagement.items():
        if minute in window:
            hundredths[name] += spread.least
            with_pct[name] += expected.with_pct[minute, name].least
    for (minute, name), spread in expected.by_content.items():
        if minute in window:
            contents[name] += spread.least
    return {
        "stats:top_by_access": {name: Decimal(n) for name, n in access.items()},
        "stats:top_by_engagement": {n: Decimal(s) / 100 / with_pct[n] for n, s in hundredths.items()},
        "stats:top_content": {n: Decimal(s) / 100 for n, s in contents.items()},
    }
