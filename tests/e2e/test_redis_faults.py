"""Redis loses what it had, or refuses: the counters are exact afterwards, or the sink says loudly why they are not."""

import copy
import time
from collections.abc import Iterator

import proxy
import pytest
from engine import Engine
from lab import Lab
from own_redis import OwnRedis, free_port
from services import Redis, until

SINKS = {"redis"}


@pytest.fixture
def own(lab: Lab) -> Iterator[OwnRedis]:
    made = OwnRedis(lab.directory / "redis")
    look_at(lab, made.asked)
    yield made
    made.close()


def look_at(lab: Lab, redis: Redis) -> None:
    """From now on the laboratory compares with that Redis."""
    lab.services = copy.copy(lab.services)
    lab.services.redis = redis


def start(lab: Lab, port: int, backlog: int) -> Engine:
    engine = lab.engine(SINKS="redis", REDIS_PORT=port)
    for seed in (2, 3):  # contents of what comes later: the engine reads them at its start
        lab.generate("--seed", str(seed), "--count", "0")
    lab.prefill(backlog)
    engine.init()
    engine.start()
    lab.settle(engine, SINKS)
    return engine


def grow_under_load(lab: Lab, engine: Engine, records: int, seed: int) -> None:
    """That many more records; returns while the last of them are still being applied."""
    before = engine.metrics().acked("redis")
    lab.prefill(records, seed=seed)
    until("load", 30, lambda: engine.metrics().acked("redis") > before + records // 2, 0.005)


def is_exact(lab: Lab, engine: Engine) -> None:
    # For a moment the group's offset is above a position that has just gone back; the next commit follows it.
    lab.settle(engine, SINKS)
    engine.violations.clear()
    lab.assert_equal(engine, SINKS)


def test_a_redis_restored_from_an_old_snapshot_is_counted_on_exactly(lab: Lab, own: OwnRedis) -> None:
    engine = start(lab, own.port, 4_000)
    own.keep_snapshot()
    for seed in (2, 3):
        grow_under_load(lab, engine, 10_000, seed)
        own.restore()
        is_exact(lab, engine)
        assert engine.log().count("its positions went back") >= seed - 1


def test_a_failover_to_a_replica_that_is_behind_is_counted_on_exactly(lab: Lab, own: OwnRedis) -> None:
    replica = OwnRedis(lab.directory / "replica")
    lab.closers.append(replica.close)
    name = proxy.Proxy(own.port, proxy.REDIS)  # what a virtual address or a name would be
    lab.closers.append(name.close)
    engine = start(lab, name.port, 4_000)
    replica.follow(own.port)
    info = replica.asked.client.info
    until("the replica in step", 20, lambda: info("replication")["master_link_status"] == "up")
    until("its data", 20, lambda: replica.asked.counted() == own.asked.counted())
    replica.follow(free_port())  # the link is cut: from here on it is behind
    grow_under_load(lab, engine, 10_000, 2)
    name.target = replica.port
    own.kill()
    until("a word about the replica", 20, lambda: "is a replica" in engine.log())
    replica.promote()
    look_at(lab, replica.asked)
    is_exact(lab, engine)
    assert "its positions went back" in engine.log()


def test_a_master_that_becomes_a_replica_is_left_for_the_new_one(lab: Lab, own: OwnRedis) -> None:
    """An orderly switch: the old master goes on answering, but takes nothing more."""
    other = OwnRedis(lab.directory / "other")
    lab.closers.append(other.close)
    name = proxy.Proxy(own.port, proxy.REDIS)
    lab.closers.append(name.close)
    engine = start(lab, name.port, 5_000)
    other.follow(own.port)
    until("its data", 20, lambda: other.asked.counted() == own.asked.counted())
    other.promote()
    own.follow(other.port)
    name.target = other.port
    look_at(lab, other.asked)
    lab.prefill(5_000, seed=2)
    is_exact(lab, engine)


def test_an_emptied_redis_stops_the_sink_and_init_counts_anew(lab: Lab, own: OwnRedis) -> None:
    engine = start(lab, own.port, 5_000)
    own.asked.client.flushall()
    lab.prefill(1_000, seed=2)
    until("the sink to stop", 20, lambda: "redis: stopped" in engine.get("readyz")[1])
    assert "holds no" in engine.get("readyz")[1] and "anabranch init" in engine.get("readyz")[1]
    time.sleep(0.5)
    assert own.asked.access() == {}, "counted on from nothing"
    engine.stop()
    engine.init("earliest")
    engine.start()
    is_exact(lab, engine)


def test_a_redis_that_is_full_or_holds_a_foreign_key_gets_all_of_it_in_the_end(lab: Lab, own: OwnRedis) -> None:
    engine = start(lab, own.port, 5_000)
    own.asked.client.config_set("maxmemory", "1mb")
    lab.prefill(5_000, seed=2)
    until("an outage", 20, lambda: "reached maxmemory" in engine.log())
    own.asked.client.config_set("maxmemory", "0")
    is_exact(lab, engine)
    assert list(lab.services.kafka.dead_letters(lab.dead_letter_topic)) == []

    # A key of ours that holds something else.
    own.asked.client.set("stats:top_by_access", "not ours")
    lab.prefill(5_000, seed=3)
    until("the sink to stop", 20, lambda: "redis: stopped" in engine.get("readyz")[1])
    assert "stats:top_by_access is a string" in engine.get("readyz")[1]
    engine.stop()
    own.asked.client.delete("stats:top_by_access")
    engine.start()
    is_exact(lab, engine)
