"""Records that nobody can take, between good ones."""

import json
from typing import Any

from lab import Lab

RECORD_MAX_BYTES = 65536


def poison(lab: Lab) -> dict[str, bytes]:
    def change(**fields: Any) -> bytes:
        return json.dumps(lab.flat(900, **fields)).encode()

    def without(name: str, op: str = "c") -> bytes:
        row = lab.flat(900, op)
        del row[name]
        return json.dumps(row).encode()

    whole = json.dumps({"schema": {"type": "struct"}, "payload": lab.flat(900)}).encode()
    return {
        "not JSON": b"this is no JSON at all",
        "empty": b"",
        "truncated": whole[:-20],
        "two documents": whole + whole,
        "not UTF-8": change(device="@@").replace(b"@@", b"\xff\xfe"),
        "a lone surrogate": change(device="@@").replace(b"@@", b"\\ud800"),
        "above RECORD_MAX_BYTES": change(raw_payload="x" * RECORD_MAX_BYTES),
        "id is text": change(id="900"),
        "id is a fraction": change(id=900.5),
        "id is missing": without("id"),
        "id is null": change(id=None),
        "id twice": change().replace(b'"id": 900', b'"id": 900, "id": 901'),
        "duration_ms is text": change(duration_ms="long"),
        "duration_ms is too large": change(duration_ms=2**40),
        "content_id is no UUID": change(content_id="not-a-uuid"),
        "device is an object": change(device={"name": "ios"}),
        "event_ts is no time": change(event_ts="yesterday"),
        "event_ts is missing": without("event_ts"),
        "a delete without event_ts": without("event_ts", "d"),
        "an unknown op": change(__op="x"),
        "an array": b"[1,2,3]",
        "a number": b"42",
        "nested without end": b'{"a":' * 2000 + b"1" + b"}" * 2000,
    }


def test_poison_goes_to_the_dead_letters_and_all_others_arrive(lab: Lab) -> None:
    lab.generate("--count", "0")  # contents of the good ones: they are read when the engine starts
    engine = lab.engine(RECORD_MAX_BYTES=RECORD_MAX_BYTES)
    engine.init()
    engine.start()
    bad = poison(lab)
    mixed: list[Any] = []
    for number, value in enumerate(bad.values()):
        mixed += [lab.flat(number * 2 + 1), value, lab.flat(number * 2 + 2)]
    lab.produce(*mixed)
    lab.prefill(2_000)
    lab.assert_equal(engine)
    letters = list(lab.services.kafka.dead_letters(lab.dead_letter_topic))
    assert len(letters) == len(bad)
    assert {letter[0] for letter in letters} == {"all"}
    assert engine.metrics().sum("dead_letters_total") == len(bad)
    for letter in sorted(letters, key=lambda one: one[3]):
        print(f"offset {letter[3]}: {letter[4]}")


def test_a_dead_letter_keeps_the_record_as_it_was(lab: Lab) -> None:
    engine = lab.engine()
    engine.init()
    engine.start()
    lab.produce(b"this is no JSON", lab.flat(1))
    lab.assert_equal(engine)
    (letter,) = list(lab.services.kafka.messages(lab.dead_letter_topic))
    assert letter.value() == b"this is no JSON"
    headers = dict(letter.headers())
    assert headers["code"] == b"not_json" and int(headers["timestamp"]) > 0


def test_tombstones_and_nulls_are_passed_over(lab: Lab) -> None:
    engine = lab.engine()
    engine.init()
    engine.start()
    wrapped_null = b'{"schema":null,"payload":null}'
    lab.produce(lab.flat(1), None, b"null", wrapped_null, {"op": "t", "source": {}, "ts_ms": 1}, lab.flat(2), None)
    lab.assert_equal(engine)
    assert engine.metrics().sum("discarded_events_total") == 5


def test_one_that_only_one_sink_refuses_reaches_the_others(lab: Lab) -> None:
    """Elasticsearch versions documents by LSN: a record without one has no place there. The others take it."""
    engine = lab.engine()
    engine.init()
    engine.start()
    lab.produce(lab.flat(1), lab.flat(2, __lsn=None), lab.flat(3))
    lab.assert_equal(engine)
    (letter,) = list(lab.services.kafka.dead_letters(lab.dead_letter_topic))
    assert letter[0] == "elasticsearch"


def test_poison_survives_a_kill(lab: Lab) -> None:
    values: list[Any] = []
    for number in range(3000):
        values.append(b"poison" if number % 100 == 50 else lab.flat(number))
    lab.produce(*values)
    engine = lab.engine()
    engine.init()
    for _ in range(3):
        engine.start()
        engine.kill()
    engine.start()
    lab.assert_equal(engine)
