"""Poison in small shares flows by; a sink that refuses everything is stopped, and the others run."""

import json
import time

from engine import Engine
from lab import Lab
from services import http, until

COUNT = 6_000


def stopped(engine: Engine, sink: str) -> bool:
    return engine.metrics().sum("breaker_open", sink=sink) == 1 and f"{sink}: stopped" in engine.get("readyz")[1]


def test_one_in_a_thousand_flows_and_each_sink_has_its_own_letters(lab: Lab) -> None:
    engine = lab.engine()
    engine.init()
    engine.start()
    values: list[object] = []
    for number in range(6_000):
        poison = {500: b"no JSON", 700: lab.flat(number, __lsn=None)}.get(number % 1000)
        values.append(poison if poison is not None else lab.flat(number))
    lab.produce(*values)  # type: ignore[arg-type]
    lab.assert_equal(engine)
    assert engine.metrics().sum("breaker_open") == 0
    # A sink that reads for itself for a while may repeat letters; a letter's key tells.
    letters = {letter[:4] for letter in lab.services.kafka.dead_letters(lab.dead_letter_topic)}
    assert sorted(letter[0] for letter in letters) == ["all"] * 6 + ["elasticsearch"] * 6


def test_a_sink_that_refuses_everything_stops_alone_and_goes_on_after_a_restart(lab: Lab) -> None:
    """Somebody has made today's index with a mapping of their own, so that no document fits."""
    search = lab.services.elasticsearch
    engine = lab.engine(ELASTICSEARCH_BATCH_SIZE=100)
    engine.init()
    day = time.strftime("%Y-%m-%d", time.gmtime())
    mapping = {"mappings": {"dynamic": False, "properties": {"event_type": {"type": "long"}}}}
    http("PUT", f"{search.url}/engagement-events-{day}", mapping)
    engine.start()
    lab.produce(*[lab.flat(number) for number in range(COUNT)])
    until("the breaker", 30, lambda: stopped(engine, "elasticsearch"))
    records = lab.settle(engine, {"redis", "bigquery"})
    letters = list(lab.services.kafka.dead_letters(lab.dead_letter_topic))
    assert {letter[0] for letter in letters} == {"elasticsearch"}
    assert 100 <= len(letters) < COUNT, "the stream went into the dead letters"
    assert not engine.violations
    report = lab.differences(records, {"redis", "bigquery"})
    assert set(report.counts) <= {"dead letter unexpected"}, str(report)
    engine.stop()

    http("DELETE", f"{search.url}/engagement-events-{day}")
    engine.start()
    lab.settle(engine)
    # A document that became a dead letter below the position stays one; all others are there.
    dead = {letter[2:4] for letter in lab.services.kafka.dead_letters(lab.dead_letter_topic)}
    ids = {int(key) for _, key, _, _ in search.documents()}
    missing = [r for r in records if json.loads(r.value or b"")["id"] not in ids]
    assert {(r.partition, r.offset) for r in missing} <= dead
    print(f"\n{len(letters)} dead letters of {COUNT} records; of these {len(missing)} are no documents now")


def test_a_topic_that_nobody_can_read_stops_all_sinks(lab: Lab) -> None:
    engine = lab.engine()
    engine.init()
    engine.start()
    lab.produce(*[b"no JSON"] * 40_000)
    until("all breakers", 30, lambda: all(stopped(engine, s) for s in ("redis", "elasticsearch", "bigquery")))
    assert engine.get("readyz")[0] == 503
    time.sleep(1)
    letters = sum(1 for _ in lab.services.kafka.dead_letters(lab.dead_letter_topic))
    assert 100 <= letters < 40_000, "the stream went into the dead letters"
    committed = engine.metrics().committed()
    assert sum(committed.values()) <= letters, "positions passed records without letters"
    print(f"\n{letters} letters of 40,000 records")
    engine.stop()
