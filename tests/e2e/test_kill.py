"""kill -9 of the engine, and the answers and requests that a network loses or delays: nothing lost, nothing doubled."""

import time

import proxy
import pytest
from engine import Engine
from lab import Lab
from metrics import Metrics
from services import until

BACKLOG = 250_000
KILLS = 5
RATE = 20_000
# A machine that does something else meanwhile may miss the rate. Such a kill is made, and another one follows; how fast
# each life was is printed, and fails nothing.
LIVES_MOST = 10
# Records that one life brings before it is killed: little enough that every kill comes under load.
LIFE = 15_000


def passed(found: Metrics, sink: str = "redis") -> float:
    """Records that a sink has got, or was spared."""
    return sum(found.sum("sink_events_total", sink=sink, outcome=outcome) for outcome in ("acked", "skipped"))


def busy(engine: Engine, records: float, sink: str = "") -> Metrics | None:
    """The metrics, when this life has brought that much and waits for answers."""
    engine.assert_alive()
    found = engine.metrics()
    waits = found.sum("sink_inflight_requests", **({"sink": sink} if sink else {}))
    return found if passed(found, sink or "redis") >= records and waits > 0 else None


def one_life(engine: Engine, redis: proxy.Proxy, late: bool) -> tuple[float, float]:
    """Start, load, kill -9. Returns records/s and how many requests had no answer when it died."""
    engine.start()
    first = until("the first records", 60, lambda: busy(engine, 1), 0.01)
    begin = time.monotonic()
    found = until("load", 60, lambda: busy(engine, passed(first) + LIFE), 0.01)
    rate = (passed(found) - passed(first)) / (time.monotonic() - begin)
    if late:
        # The requests of this life arrive only when the next one has begun to send.
        redis.hold()
        until("a request held back", 20, redis.held, 0.005)
        found = engine.metrics()
    assert found.sum("source_lag_messages") > 0, "the backlog is used up: this kill would not be under load"
    engine.kill()
    redis.release()
    return rate, found.in_flight()


@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_five_kills_under_load_lose_and_double_nothing(lab: Lab, backend: str) -> None:
    """No emulator of BigQuery takes 20,000 rows/s, and it would hold up the others: it takes no part."""
    lab.prefill(BACKLOG, "--mix", "90:8:2", "--transaction", "5000")
    redis = proxy.Proxy(int(lab.services.environment["REDIS_PORT"]), proxy.REDIS)
    lab.closers.append(redis.close)
    engine = lab.engine(IO_BACKEND=backend, INSTANCE_ID="e2e", SINKS="redis,elasticsearch", REDIS_PORT=redis.port)
    engine.init()
    lives: list[tuple[float, float]] = []
    while sum(rate >= RATE for rate, _ in lives) < KILLS and len(lives) < LIVES_MOST:
        lives.append(one_life(engine, redis, late=len(lives) % 2 == 0))
    engine.start()
    lab.assert_equal(engine, {"redis", "elasticsearch"}, seconds=300)
    engine.metrics().nothing_is_in_flight()
    engine.stop()
    rates, in_flight = [round(rate) for rate, _ in lives], [round(n) for _, n in lives]
    print(
        f"\n{backend}: {len(lives)} kills, requests without answer at each {in_flight}, records/s before each {rates},"
        f" late requests {redis.delivered_late}, records refused or absorbed as repeats {engine.duplicates}"
    )
    assert all(n > 0 for n in in_flight)
    assert engine.duplicates.get("redis", 0) > 0, "no request was ever a repeat for Redis: the kills proved too little"
    assert engine.duplicates.get("elasticsearch", 0) > 0, "no document was ever a repeat for Elasticsearch"
    assert len(lives) >= KILLS


def test_kills_while_bigquery_is_asked_lose_nothing(lab: Lab) -> None:
    """Rows whose answer the dead engine did not get are looked up by the next one before it sends them again."""
    lab.prefill(25_000, "--mix", "90:8:2")
    engine = lab.engine(INSTANCE_ID="e2e")
    engine.init()
    for _ in range(4):
        engine.start()
        until("rows in flight", 60, lambda: busy(engine, 2000, "bigquery"), 0.01)
        engine.kill()
    engine.start()
    report = lab.assert_equal(engine)
    engine.stop()
    print(f"\nrepeats that sinks had already {engine.duplicates}, rows doubled in BigQuery's table {report.duplicates}")
    assert engine.duplicates.get("bigquery", 0) > 0, "no row was ever found by the lookup: the kills proved too little"


@pytest.mark.parametrize("backend", ["uring", "epoll"])
def test_answers_that_get_lost_are_asked_for_again(lab: Lab, backend: str) -> None:
    lab.prefill(12_000, "--mix", "90:8:2")
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
    lab.prefill(8_000)
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
