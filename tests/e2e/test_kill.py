"""kill -9 of the engine, and the answers and requests that a network loses or delays: nothing lost, nothing doubled."""

import time

import proxy
import pytest
from engine import Engine
from lab import Lab
from metrics import Metrics
from services import until

BACKLOG = 600_000
KILLS = 6
# What one life reads before it is killed: a sixth of the backlog at most, so that every kill comes under load.
LIFE_RECORDS = 60_000
RATE = 20_000


def busy(engine: Engine, records: int) -> Metrics | None:
    """The metrics, when this life has read that much and waits for answers."""
    engine.assert_alive()
    found = engine.last
    if found is None or found.sum("source_records_total") < records:
        return None
    fresh = engine.metrics()
    return fresh if fresh.in_flight() > 0 else None


@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_six_kills_under_load_lose_and_double_nothing(lab: Lab, backend: str) -> None:
    lab.prefill(BACKLOG, "--update-share", "8", "--delete-share", "2", "--transaction", "5000")
    redis = proxy.Proxy(int(lab.services.environment["REDIS_PORT"]), proxy.REDIS)
    lab.closers.append(redis.close)
    engine = lab.engine(IO_BACKEND=backend, REDIS_PORT=redis.port)
    engine.init()
    rates, in_flight = [], []
    for kill in range(KILLS):
        engine.start()
        begin, first = time.monotonic(), engine.metrics().sum("source_records_total")
        until("load", 60, lambda: busy(engine, LIFE_RECORDS // 2), 0.02)
        if kill % 2 == 0:
            # The requests of this life arrive only when the next one has begun to send.
            redis.hold()
            until("a request held back", 20, redis.held, 0.01)
        found = until("load", 60, lambda: busy(engine, LIFE_RECORDS), 0.01)
        rates.append((found.sum("source_records_total") - first) / (time.monotonic() - begin))
        in_flight.append(found.in_flight())
        assert found.sum("source_lag_messages") > 0, "the backlog is used up: this kill would not be under load"
        engine.kill()
        redis.release()
    engine.start()
    begin, before = time.monotonic(), engine.metrics().sum("source_records_total")
    report = lab.assert_equal(engine, seconds=240)
    engine.stop()
    print(
        f"\n{backend}: {KILLS} kills, unanswered requests at each {in_flight}, records/s before each"
        f" {[round(r) for r in rates]}, late requests {redis.delivered_late}, refused or absorbed repeats"
        f" {engine.duplicates}, rows doubled in BigQuery's table {report.duplicates}"
    )
    assert all(n > 0 for n in in_flight)
    assert engine.duplicates.get("redis", 0) > 0, "no request was ever a repeat for Redis: the kills proved too little"
    assert engine.duplicates.get("elasticsearch", 0) > 0, "no document was ever a repeat for Elasticsearch"
    assert max(rates) >= RATE and sorted(rates)[len(rates) // 2] >= RATE, rates


@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_answers_that_get_lost_are_asked_for_again(lab: Lab, backend: str) -> None:
    lab.prefill(30_000, "--update-share", "8", "--delete-share", "2")
    places = {
        "REDIS_PORT": proxy.REDIS, "ELASTICSEARCH_PORT": proxy.ELASTICSEARCH, "BIGQUERY_PORT": proxy.BIGQUERY,
    }
    proxies = {key: proxy.Proxy(int(lab.services.environment[key]), marker) for key, marker in places.items()}
    lab.closers += [p.close for p in proxies.values()]
    engine = lab.engine(IO_BACKEND=backend, **{key: p.port for key, p in proxies.items()})
    engine.init()
    for p in proxies.values():
        p.lose(5)
    engine.start()
    report = lab.assert_equal(engine)
    found = engine.metrics()
    assert all(p.lost == 5 for p in proxies.values())
    for sink in ("redis", "elasticsearch", "bigquery"):
        assert found.sum("duplicates_total", sink=sink) > 0, f"{sink} was never asked what it has"
    assert report.duplicates == 0, "BigQuery's table holds rows twice though each lost answer was asked for"


def test_a_killed_engine_starts_again_from_what_each_sink_has(lab: Lab) -> None:
    """Killed at rest, nothing has to be sent again."""
    lab.prefill(20_000)
    engine = lab.engine()
    engine.init()
    engine.start()
    records = lab.settle(engine)
    until("the commit", 10, lambda: engine.metrics().committed() == lab.ends(records) or None)
    engine.kill()
    engine.start()
    lab.assert_equal(engine)
    found = engine.metrics()
    assert found.sum("source_records_total") == 0, "records were read again that every sink had"
    assert found.sum("duplicates_total") == 0
