"""A sink that goes away or becomes slow in mid-run leaves the others alone, and comes back to them without a difference."""

import time
from typing import Any

import oracle
import proxy
import pytest
from engine import Engine
from lab import Lab
from services import until

SMALL = {
    f"{sink}_{key}": value
    for sink in ("REDIS", "BIGQUERY", "ELASTICSEARCH")
    for key, value in (("BATCH_SIZE", "100"), ("MAX_BUFFER_SIZE", "200"), ("SINK_PARALLELISM", "2"))
} | {"BIGQUERY_READ_TIMEOUT_MS": "2000", "ELASTICSEARCH_READ_TIMEOUT_MS": "2000", "REDIS_POOL_TIMEOUT_MS": "2000"}
# Twice what links (2 workers x 4 chunks of 25 records) and lanes (2 batches) of one sink hold at these settings.
BUFFERED = 2_500
SEEDS = (1, 2, 3)
MARKERS = {"redis": proxy.REDIS, "elasticsearch": proxy.ELASTICSEARCH, "bigquery": proxy.BIGQUERY}


def start(lab: Lab, sink: str, sinks: set[str], **changes: Any) -> tuple[Engine, proxy.Proxy]:
    """An engine that reaches the sink through a proxy."""
    place = proxy.Proxy(int(lab.services.environment[f"{sink.upper()}_PORT"]), MARKERS[sink])
    lab.closers.append(place.close)
    engine = lab.engine(**{f"{sink.upper()}_PORT": place.port}, SINKS=",".join(sorted(sinks)), **SMALL, **changes)
    for seed in SEEDS:
        lab.generate("--seed", str(seed), "--count", "0")  # their contents are loaded at start
    engine.init()
    engine.start()
    return engine, place


def reads_alone(engine: Engine, sink: str) -> bool:
    return engine.metrics().sum("sink_reader", sink=sink) == 1


def behind(lab: Lab, engine: Engine, sink: str) -> int:
    return sum(lab.ends(lab.records()).values()) - sum(engine.metrics().positions(sink).values())


def expect_perhaps(lab: Lab, sure: list[oracle.Record], perhaps: list[oracle.Record]) -> oracle.Expected:
    """What Redis holds of the sure ones, and of the others any."""
    expected, most = (oracle.expect(theirs, lab.contents(), sinks={"redis"}) for theirs in (sure, sure + perhaps))
    for cells, highest in ((expected.access, most.access), (expected.engagement, most.engagement)):
        for name, spread in highest.items():
            cells.setdefault(name, oracle.Spread()).most = spread.most
    if perhaps:  # the sums of minutes are then as uncertain as their cells, which bound them
        expected.access_total.clear()
        for (minute, _), found in lab.services.redis.access().items():
            expected.access_total[minute] += found
    return expected


# BigQuery's emulator is slow enough to leave the others by itself: it takes part only where it is meant.
@pytest.mark.parametrize(
    ("sink", "others"),
    [("redis", {"elasticsearch"}), ("elasticsearch", {"redis"}), ("bigquery", {"redis", "elasticsearch"})],
)
def test_a_silent_sink_leaves_the_others_alone(lab: Lab, sink: str, others: set[str]) -> None:
    sinks = others | {sink}
    lab.prefill(1_000)
    engine, place = start(lab, sink, sinks)
    lab.settle(engine, sinks)
    place.silence(True)
    lab.prefill(2 * BUFFERED, seed=2)
    until("detached", 30, lambda: reads_alone(engine, sink))
    lab.settle(engine, others)
    assert behind(lab, engine, sink) >= BUFFERED, "the sink was given all of it: nothing was proved"
    assert f"{sink}: detached" in engine.log()
    assert f"{sink}: detached" in engine.get("readyz")[1] or f"{sink}: catching up" in engine.get("readyz")[1]
    found = engine.metrics()
    assert found.sum("sink_lag_messages", sink=sink) >= BUFFERED and found.sum("sink_lag_bytes", sink=sink) > 0
    place.silence(False)
    lab.assert_equal(engine, sinks)
    until("together again", 30, lambda: not reads_alone(engine, sink))
    lab.prefill(1_000, seed=3)
    lab.assert_equal(engine, sinks)
    engine.metrics().nothing_is_in_flight()


def test_a_stop_finds_a_silent_sink_that_reads_by_itself(lab: Lab) -> None:
    """The stop does not wait for it, and the next life goes on from where it was."""
    sinks = {"redis", "elasticsearch"}
    lab.prefill(1_000)
    engine, place = start(lab, "elasticsearch", sinks)
    lab.settle(engine, sinks)
    place.silence(True)
    lab.prefill(4 * BUFFERED, seed=2)
    until("detached", 30, lambda: reads_alone(engine, "elasticsearch"))
    lab.settle(engine, {"redis"})
    assert engine.stop() < 10
    place.silence(False)
    engine.start()
    lab.assert_equal(engine, sinks)
    until("together again", 30, lambda: not reads_alone(engine, "elasticsearch"))


# Little is fetched ahead: what the fetcher holds already is not lost.
LITTLE_AHEAD = {
    "workers": {"KAFKA_MAX_PARTITION_FETCH_BYTES": 20000},
    "librdkafka": {"KAFKA_MAX_PARTITION_FETCH_BYTES": 20000, "KAFKA_CONF_QUEUED_MIN_MESSAGES": 100},
}


@pytest.mark.parametrize(("choice", "fetcher"), [("stop", "workers"), ("continue", "workers"), ("continue", "librdkafka")])
def test_retention_overtaking_a_silent_sink_is_loud_and_exact(lab: Lab, choice: str, fetcher: str) -> None:
    sinks = {"redis", "elasticsearch"}
    engine, place = start(lab, "redis", sinks, ON_LOST_DATA=choice, **LITTLE_AHEAD[fetcher])
    lab.prefill(1_000)
    lab.settle(engine, sinks)
    place.silence(True)
    lab.prefill(3 * BUFFERED, seed=3)
    records = lab.settle(engine, {"elasticsearch"})
    # By itself, or not at all until it has said again how far it is.
    until("apart", 30, lambda: engine.metrics().sum("sink_reader", sink="redis") != 0)
    to = {partition: end - 100 for partition, end in lab.ends(records).items()}
    lab.services.kafka.delete_records(lab.events_topic, to)
    place.silence(False)
    until("lost", 30, lambda: engine.metrics().sum("sink_lost_offsets_total", sink="redis"))
    lab.prefill(1_000, seed=2)
    records += [r for r in lab.settle(engine, {"elasticsearch"}) if r.offset >= lab.ends(records).get(r.partition, 0)]
    found = engine.metrics()
    lost = {bound: found.offsets("sink_lost_range", sink="redis", bound=bound) for bound in ("from", "whole_from", "to")}
    assert lost["to"] == to
    # Of these the lanes that were ahead of the others had their own.
    some = [r for r in records if lost["from"][r.partition] <= r.offset < lost["whole_from"][r.partition]]
    kept = [r for r in records if r.offset < lost["from"][r.partition]]
    if choice == "stop":
        assert found.sum("sink_state", sink="redis", state="lost data") == 1
        until("the rest", 20, lambda: engine.metrics().positions("redis") == lost["from"])
        for partition, first in lost["from"].items():
            assert f"partition {partition}: offsets {first} to {to[partition] - 1}" in engine.log()
    else:
        kept += [r for r in records if r.offset >= to[r.partition]]
        lab.settle(engine, sinks, records=records)
    for report in (lab.differences(records, {"elasticsearch"}), lab.compared(expect_perhaps(lab, kept, some))):
        assert report.equal, f"{report}\n{engine.log_tail()}"
    engine.assert_alive()


def test_a_slow_sink_lives_by_itself(lab: Lab) -> None:
    """It is never still for long, and yet it must not hold the others at its pace."""
    sinks = {"redis", "elasticsearch"}
    engine, place = start(lab, "elasticsearch", sinks)
    place.slow(0.2)
    lab.prefill(4 * BUFFERED)
    until("detached", 60, lambda: reads_alone(engine, "elasticsearch"))
    begin = time.monotonic()
    lab.settle(engine, {"redis"})
    alone = time.monotonic() - begin
    assert behind(lab, engine, "elasticsearch") > 0, "it was as fast as Redis"
    place.slow(0)
    lab.assert_equal(engine, sinks)
    print(f"\nthe other was done {alone:.1f} s after Elasticsearch had left it")
