"""What can happen to the log itself: made anew, more partitions, cut off by retention, transactions that end badly."""

import json
import re
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewPartitions
from engine import Engine
from lab import Lab
from services import until

FAST = {"redis", "elasticsearch"}


def at_rest(lab: Lab, count: int) -> Engine:
    """An engine that has delivered and committed all there is."""
    lab.prefill(count)
    engine = lab.engine(SINKS="redis,elasticsearch")
    engine.init()
    engine.start()
    records = lab.settle(engine, FAST)
    until("the commit", 20, lambda: engine.metrics().committed() == lab.ends(records))
    return engine


# "ab1 CLUSTER OFFSET:TIME:CRC redis/6/content_id=0,0,0,0,0,0 elasticsearch/4/id=0,0,0,0"
AT_REST = re.compile(r"ab1 \S+ \d+:\d+:\d+(?: \w+/\d+/\w+=0(?:,0)*)+")


def metadata(commit: TopicPartition) -> str | None:
    """Python's client reads a commit's metadata as a C string, though it has a length and no end: of some lengths what
    lies behind it in memory comes with it. None then."""
    try:
        return commit.metadata if AT_REST.fullmatch(commit.metadata) else None
    except UnicodeDecodeError:
        return None


def commits(lab: Lab) -> list[TopicPartition]:
    """Of an engine at rest, whose lanes all stand at the group's offset. A partition whose metadata cannot be read gets
    that of another: it tells of a record that is not in a new topic either."""
    consumer = Consumer({"bootstrap.servers": lab.services.brokers, "group.id": lab.name})
    try:
        found = consumer.committed([TopicPartition(lab.events_topic, p) for p in range(4)], timeout=20)
    finally:
        consumer.close()
    any_of_them = next(text for commit in found if (text := metadata(commit)))
    return [TopicPartition(c.topic, c.partition, c.offset, metadata(c) or any_of_them) for c in found]


def test_a_topic_made_anew_is_not_taken_for_the_old_one(lab: Lab) -> None:
    """Kafka forgets a group's offsets with the topic; a restored cluster or a copying tool brings them back. The same
    offsets hold other records then: going on would skip and mix them."""
    engine = at_rest(lab, 4_000)
    engine.stop()
    before = commits(lab)
    counted = lab.services.redis.counted()
    lab.make_topic_anew()
    lab.prefill(12_000, seed=7)
    engine.start(wait=False)
    assert engine.wait_end(40) == 78, engine.log_tail()
    assert "has no positions" in engine.log()

    consumer = Consumer({"bootstrap.servers": lab.services.brokers, "group.id": lab.name})
    consumer.commit(offsets=before, asynchronous=False)
    consumer.close()
    engine.start(wait=False)
    assert engine.wait_end(40) == 65, engine.log_tail()
    assert "another record at offset" in engine.log() and "created anew" in engine.log()
    assert lab.services.redis.counted() == counted, "records of the other log were counted"


def test_a_topic_made_anew_under_a_running_engine_stops_it(lab: Lab) -> None:
    engine = at_rest(lab, 4_000)
    lab.make_topic_anew()
    lab.prefill(2_000, seed=7)
    status = engine.wait_end(90)
    assert status in (65, 78), engine.log_tail()
    assert "cannot go on" in engine.log()


def test_records_that_retention_took_are_told_with_their_range(lab: Lab) -> None:
    engine = at_rest(lab, 2_000)
    engine.stop()
    first = lab.services.kafka.ends(lab.events_topic)
    lab.prefill(2_000, seed=1)
    ends = lab.services.kafka.ends(lab.events_topic)
    lab.services.kafka.truncate(lab.events_topic)
    engine.start(wait=False)
    assert engine.wait_end(40) == 65, engine.log_tail()
    lost = ", ".join(f"partition {p}: offsets {first[p]} to {ends[p] - 1}" for p in sorted(ends))
    assert f"retention deleted records before it had them: {lost}" in engine.log(), engine.log_tail()


def test_added_partitions_are_read_from_their_beginning(lab: Lab) -> None:
    """The engine does not guess where to begin in them: init gives them positions, and the others keep theirs."""
    engine = at_rest(lab, 2_000)
    engine.stop()
    for future in lab.services.kafka.admin.create_partitions([NewPartitions(lab.events_topic, 6)]).values():
        future.result(30)
    until("six partitions", 20, lambda: len(lab.services.kafka.ends(lab.events_topic)) == 6)
    rows = [(f"k{n}", json.dumps(lab.flat(1_000_000 + n)).encode()) for n in range(1000)]
    lab.services.kafka.produce(lab.events_topic, rows)
    engine.start(wait=False)
    assert engine.wait_end(40) == 78, engine.log_tail()
    assert "has no positions for partition 4" in engine.log()
    engine.init()
    engine.start()
    lab.assert_equal(engine, FAST)


def test_aborted_and_hanging_transactions_are_not_delivered(lab: Lab) -> None:
    """A hung one holds read_committed readers back until it ends; then everything behind it comes, and nothing of it."""
    engine = at_rest(lab, 2_000)
    kafka = lab.services.kafka
    conf = {"bootstrap.servers": kafka.brokers, "transactional.id": lab.name, "transaction.timeout.ms": 60_000}
    producer = Producer(conf)
    producer.init_transactions(30)
    for ends_well in (False, True, False):
        producer.begin_transaction()
        for number in range(500):
            producer.produce(lab.events_topic, b"never" if not ends_well else b"null", partition=number % 4)
        producer.flush(30)
        producer.commit_transaction(30) if ends_well else producer.abort_transaction(30)
    producer.begin_transaction()
    for partition in range(4):
        producer.produce(lab.events_topic, b"never", partition=partition)
    producer.flush(30)
    acked = engine.metrics().acked("redis")
    lab.prefill(2_000)
    time.sleep(1)
    assert engine.metrics().acked("redis") == acked, "records behind an open transaction were read"
    producer.abort_transaction(30)
    lab.assert_equal(engine, FAST)
    assert engine.metrics().sum("dead_letters_total") == 0
