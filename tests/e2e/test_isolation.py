"""A sink that goes away or becomes slow in mid-run leaves the others alone, and comes back to them without a difference."""

import time

import proxy
import pytest
from engine import Engine
from lab import Lab
from services import until

# What lanes and links of one sink can hold at the settings below, and more.
BUFFERED = 30_000
SMALL = {
    "REDIS_MAX_BUFFER_SIZE": "1000", "BIGQUERY_MAX_BUFFER_SIZE": "1000", "ELASTICSEARCH_MAX_BUFFER_SIZE": "1000",
    "REDIS_BATCH_SIZE": "500", "BIGQUERY_BATCH_SIZE": "500", "ELASTICSEARCH_BATCH_SIZE": "500",
    "BIGQUERY_READ_TIMEOUT_MS": "2000", "ELASTICSEARCH_READ_TIMEOUT_MS": "2000", "REDIS_POOL_TIMEOUT_MS": "2000",
}
PLACES = {"redis": proxy.REDIS, "elasticsearch": proxy.ELASTICSEARCH, "bigquery": proxy.BIGQUERY}


def start(lab: Lab, sink: str) -> tuple[Engine, proxy.Proxy]:
    """An engine that reaches the sink through a proxy."""
    place = proxy.Proxy(int(lab.services.environment[f"{sink.upper()}_PORT"]), PLACES[sink])
    lab.closers.append(place.close)
    engine = lab.engine(**{f"{sink.upper()}_PORT": place.port}, **SMALL)
    engine.init()
    engine.start()
    return engine, place


def reads_alone(engine: Engine, sink: str) -> bool:
    return engine.metrics().sum("sink_reader", sink=sink) == 1


@pytest.mark.parametrize("sink", ["redis", "elasticsearch", "bigquery"])
def test_a_silent_sink_leaves_the_others_alone(lab: Lab, sink: str) -> None:
    lab.prefill(3_000)
    engine, place = start(lab, sink)
    others = {"redis", "elasticsearch", "bigquery"} - {sink}
    lab.settle(engine)
    place.silence(True)
    lab.prefill(2 * BUFFERED, seed=2)
    until("detached", 30, lambda: reads_alone(engine, sink))
    lab.settle(engine, others)
    found = engine.metrics()
    at, end = found.positions(sink), lab.ends(lab.records())
    assert sum(end.values()) - sum(at.values()) >= BUFFERED, "the sink was given all of it: nothing was proved"
    assert f"{sink}: detached" in engine.log()
    place.silence(False)
    lab.assert_equal(engine)
    until("together again", 30, lambda: not reads_alone(engine, sink))
    lab.prefill(3_000, seed=3)
    lab.assert_equal(engine)
    assert engine.metrics().sum("sink_reader") == 0


def test_a_slow_sink_lives_by_itself(lab: Lab) -> None:
    """It is never still for long, and yet it must not hold the others at its pace."""
    engine, place = start(lab, "elasticsearch")
    place.slow(0.2)
    lab.prefill(2 * BUFFERED)
    until("detached", 60, lambda: reads_alone(engine, "elasticsearch"))
    begin = time.monotonic()
    lab.settle(engine, {"redis"})
    alone = time.monotonic() - begin
    behind = engine.metrics().positions("elasticsearch")
    assert sum(lab.ends(lab.records()).values()) - sum(behind.values()) > 0, "it was as fast as Redis"
    place.slow(0)
    lab.assert_equal(engine)
    print(f"\nthe others were done {alone:.1f} s after Elasticsearch had left them")
