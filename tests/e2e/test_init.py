"""Where reading begins, and what init says."""

import time

import oracle
from lab import Lab
from services import until


def start_from(lab: Lab, start_at: str, expected: list[oracle.Record]) -> None:
    """The sinks hold exactly those of the records, and what comes later."""
    engine = lab.engine()
    engine.init(start_at)
    engine.start()
    lab.settle(engine)
    after = [lab.flat(50_000 + i) for i in range(10)]
    known = {(r.partition, r.offset) for r in lab.records()}
    lab.produce(*after)
    records = lab.settle(engine)
    wanted = expected + [r for r in records if (r.partition, r.offset) not in known]
    report = lab.differences(wanted)
    assert report.equal, f"{report}\n{engine.log_tail()}"


def test_from_earliest_is_the_default(lab: Lab) -> None:
    lab.prefill(2000)
    start_from(lab, "", lab.records())


def test_from_latest_leaves_out_what_is_there(lab: Lab) -> None:
    lab.prefill(2000)
    start_from(lab, "latest", [])


def test_from_a_time_begins_with_the_records_written_since(lab: Lab) -> None:
    lab.prefill(2000)
    before = {(r.partition, r.offset) for r in lab.records()}
    time.sleep(1.1)
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    time.sleep(1.1)
    lab.prefill(1000, seed=2)
    start_from(lab, moment, [r for r in lab.records() if (r.partition, r.offset) not in before])


def test_from_another_group_begins_where_that_group_is(lab: Lab) -> None:
    lab.prefill(2000)
    ends = lab.ends(lab.records())
    group = f"{lab.name}-flink"
    offsets = {partition: end // 2 for partition, end in ends.items()}
    lab.services.kafka.commit(group, lab.events_topic, offsets)
    start_from(lab, f"group:{group}", [r for r in lab.records() if r.offset >= offsets[r.partition]])


def test_init_twice_changes_nothing(lab: Lab) -> None:
    lab.prefill(2000)
    engine = lab.engine()
    engine.init()
    engine.start()
    lab.settle(engine)
    engine.stop()
    engine.init()
    engine.start()
    lab.assert_equal(engine)
    assert engine.metrics().sum("source_records_total") == 0


def test_run_without_init_says_what_to_do(lab: Lab) -> None:
    lab.prefill(10)
    engine = lab.engine()
    engine.start(wait=False)

    def says_it() -> bool:
        return "init" in engine.log() or "init" in engine.get("readyz")[1]

    until("a word about init", 20, says_it)
    assert lab.services.redis.access() == {}


def test_a_lost_position_in_redis_is_loud(lab: Lab) -> None:
    """Redis was emptied under the engine: starting anew in silence would lose or double what it counted."""
    lab.prefill(2000)
    engine = lab.engine()
    engine.init()
    engine.start()
    lab.settle(engine)
    engine.stop()
    lab.services.redis.wipe()
    engine.start(wait=False)
    until("a word about the positions", 20, lambda: "position" in engine.log().split("--- start 2")[1])
    lab.prefill(1000, seed=2)
    time.sleep(3)
    assert lab.services.redis.access() == {}, "counted on from nothing"


def test_a_redis_of_another_kafka_is_refused(lab: Lab) -> None:
    """Same topic, same group, other cluster: its positions would skip records here, or count them again."""
    lab.prefill(2000)
    engine = lab.engine(SINKS="redis,elasticsearch")
    engine.init()
    key, client = f"anabranch:positions:{lab.events_topic}", lab.services.redis.client
    cluster = lab.services.kafka.admin.list_topics(timeout=10).cluster_id
    assert client.hget(key, "cluster") == cluster
    client.hset(key, "cluster", "another")
    engine.start(wait=False)
    lab.settle(engine, {"elasticsearch"})
    assert "redis: stopped: its positions are of Kafka cluster another" in engine.log()
    assert lab.services.redis.access() == {}
    engine.stop()
    said = engine.command("init", check=False)
    assert "are of Kafka cluster another" in said
    client.hset(key, "cluster", cluster)
    engine.start()
    lab.assert_equal(engine, {"redis", "elasticsearch"})


def test_counters_that_are_there_already_are_warned_of(lab: Lab) -> None:
    lab.services.redis.client.hset("access:by_type:window:202601010000", "video", 7)
    lab.prefill(10)
    assert "counter" in lab.engine().init().lower()
