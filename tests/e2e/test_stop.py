"""An orderly stop and a hurried one."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import proxy
from lab import Lab
from services import stack_environment, until


@contextlib.contextmanager
def kafka_frozen() -> Iterator[None]:
    broker = int((Path(stack_environment()["AB_STACK_DIR"]) / "run/kafka.pid").read_text().split()[0])
    os.kill(broker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker, signal.SIGCONT)


def test_sigterm_drains_says_what_each_sink_received_and_loses_nothing(lab: Lab) -> None:
    lab.prefill(20_000)
    engine = lab.engine()
    engine.init()
    engine.start()
    until("load", 30, lambda: engine.metrics().acked("redis") > 5000 and engine.metrics().in_flight() > 0, 0.02)
    assert engine.stop() < 10
    rows = lab.bigquery.count(lab.name)
    assert engine.received("redis") == lab.services.redis.counted()
    assert engine.received("bigquery") == rows
    assert engine.received("elasticsearch") == lab.services.elasticsearch.count()
    # What was received is committed: the next life repeats nothing.
    engine.start()
    report = lab.assert_equal(engine)
    assert report.duplicates == 0
    assert engine.metrics().sum("duplicates_total") == 0


def test_a_second_signal_stops_at_once(lab: Lab) -> None:
    lab.prefill(5_000)
    bigquery = proxy.Proxy(int(lab.services.environment["BIGQUERY_PORT"]), proxy.BIGQUERY)
    lab.closers.append(bigquery.close)
    engine = lab.engine(BIGQUERY_PORT=bigquery.port)
    engine.init()
    # Nobody answers BigQuery's requests, so the orderly stop takes its time.
    bigquery.hold()
    engine.start()
    until("a request without answer", 30, bigquery.held, 0.02)
    engine.signal(signal.SIGTERM)
    # Two signals at the very same time would count as one.
    time.sleep(0.5)
    engine.assert_alive()
    engine.signal(signal.SIGTERM)
    assert engine.wait_end(1) == 128 + signal.SIGTERM
    bigquery.release()
    engine.start()
    lab.assert_equal(engine)


def test_it_stops_in_time_while_a_sink_does_not_answer(lab: Lab) -> None:
    lab.prefill(4_000)
    elasticsearch = proxy.Proxy(int(lab.services.environment["ELASTICSEARCH_PORT"]), proxy.ELASTICSEARCH)
    lab.closers.append(elasticsearch.close)
    engine = lab.engine(ELASTICSEARCH_PORT=elasticsearch.port)
    engine.init()
    engine.start()
    lab.settle(engine)
    elasticsearch.silence(True)
    # As much as the lanes of the absent one can hold: beyond it the others would wait for it.
    # Of the same contents: the engine need not have heard of new ones yet.
    lab.prefill(2000, "--first-id", "100001")
    lab.settle(engine, {"redis", "bigquery"})
    assert engine.stop() < 10
    elasticsearch.silence(False)
    engine.start()
    lab.assert_equal(engine)


def test_it_stops_in_time_while_kafka_stands_still(lab: Lab) -> None:
    """A consumer that closes waits for a minute for the answer to its last commit."""
    lab.prefill(20_000)
    engine = lab.engine(SINKS="redis")
    engine.init()
    engine.start()
    # There is something to commit.
    until("load", 30, lambda: 1000 < engine.metrics().acked("redis") < 20_000, 0.02)
    with kafka_frozen():
        assert engine.stop() < 10
    engine.start()
    lab.assert_equal(engine, {"redis"})


def test_a_failure_ends_in_time_and_with_its_code_while_kafka_stands_still(lab: Lab) -> None:
    """Nobody who would send a second signal sits beside it; a supervisor tells a failure from a stop by the code alone."""
    lab.prefill(4_000)
    redis = proxy.Proxy(int(lab.services.environment["REDIS_PORT"]), proxy.REDIS)
    lab.closers.append(redis.close)
    engine = lab.engine(SINKS="redis", REDIS_PORT=redis.port)
    engine.init()
    engine.start()
    lab.settle(engine, {"redis"})
    # What it still has to deliver keeps it for a while after it has found out that its topic is another one.
    redis.silence(True)
    lab.prefill(1_000, "--first-id", "100001")
    until("load", 30, lambda: engine.metrics().in_flight() > 0, 0.02)
    lab.make_topic_anew()
    until("the end begins", 90, lambda: "cannot go on" in engine.log(), 0.02)
    with kafka_frozen():
        begin = time.monotonic()
        redis.silence(False)  # so there is something to commit
        assert engine.wait_end(80) in (65, 78), engine.log_tail()
        assert time.monotonic() - begin < 12, engine.log_tail()


def test_it_stops_at_once_and_says_so_while_a_question_beside_the_batches_is_not_answered(lab: Lab) -> None:
    """A Redis that took all batches and then fell silent: what it is asked once a second waits for a minute."""
    lab.prefill(1000)
    redis = proxy.Proxy(int(lab.services.environment["REDIS_PORT"]), proxy.REDIS)
    lab.closers.append(redis.close)
    engine = lab.engine(SINKS="redis", REDIS_PORT=redis.port, REDIS_POOL_TIMEOUT_MS=60000)
    engine.init()
    engine.start()
    lab.settle(engine, {"redis"})
    redis.silence(True)
    time.sleep(1.5)  # it is asked again within a second
    assert engine.stop() < 5
    assert "redis: has not answered what it was asked" in engine.log()
    redis.silence(False)
    engine.start()
    lab.assert_equal(engine, {"redis"})


def test_after_a_stop_at_rest_nothing_is_read_again(lab: Lab) -> None:
    lab.prefill(1000)
    engine = lab.engine(ENRICH_ON_MISS="unknown")
    engine.init()
    engine.start()
    lab.settle(engine)
    engine.stop()
    engine.start()
    lab.assert_equal(engine)
    assert engine.metrics().sum("source_records_total") == 0
