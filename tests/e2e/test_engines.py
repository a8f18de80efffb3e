"""Several engines in one consumer group: they share the partitions, hand them over, and one that came back from the dead
changes nothing."""

import itertools
import signal
import time

import pytest
from engine import Engine, Group
from lab import Lab
from services import until

BACKLOG = 10_000
MORE = 10_000
# Each filling has rows of its own.
IDS = itertools.count(100_000_000, 100_000_000)
# Above session.timeout.ms: the group takes a silent engine for dead after it.
STOPPED_SECONDS = 8.0
FAST = {"redis", "elasticsearch"}


def started(lab: Lab, count: int, **changes: str) -> list[Engine]:
    """One after the other, so that partitions are given away while records flow."""
    engines = [lab.another(**changes) for _ in range(count)]
    engines[0].init()
    for number, engine in enumerate(engines):
        engine.start(wait=False)
        group = Group(*engines[: number + 1])
        until(lambda: f"shared by {number + 1}: {group.log_tail()}", 60, group.is_shared, 0.05)
    return engines


def load(lab: Lab, engine: Engine) -> None:
    """More records, of which the engine brings its share; some of its requests wait for answers then, and more records come."""
    begin = engine.metrics().acked("redis")
    lab.prefill_beside(MORE, "--mix", "90:8:2", "--first-id", str(next(IDS)), "--rate", str(MORE // 4))
    until(lambda: f"{engine.name} under load", 60, lambda: engine.metrics().acked("redis") > begin + MORE // 40, 0.01)
    until(lambda: f"{engine.name} waits", 20, lambda: engine.metrics().in_flight() > 0, 0.002)


def taken_over(by: Engine, seconds: float = 30) -> float:
    begin = time.monotonic()
    until(lambda: f"{by.name} has all: {by.log_tail()}", seconds, lambda: len(by.partitions()) == 4, 0.02)
    return time.monotonic() - begin


def test_engines_share_the_partitions_and_hand_them_over(lab: Lab) -> None:
    """One, two, three; then one is asked to stop and one is killed, all under load. BigQuery is the slowest."""
    lab.prefill(BACKLOG, "--mix", "90:8:2")
    first, second, third = started(lab, 3)
    load(lab, second)
    second.signal(signal.SIGTERM)
    group = Group(first, third)
    begin = time.monotonic()
    until(lambda: f"two share again: {group.log_tail()}", 30, group.is_shared, 0.02)
    handed = time.monotonic() - begin
    assert second.wait_end() == 0
    load(lab, first)
    third.kill()
    after_kill = taken_over(first)
    report = lab.assert_equal(Group(first, third), seconds=240)
    print(f"\nhanded over {handed:.2f} s after SIGTERM, {after_kill:.2f} s after kill -9, rows doubled {report.duplicates}")


@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
def test_one_that_was_frozen_beyond_its_session_changes_nothing(lab: Lab, static: bool) -> None:
    """Its requests are in the kernel's buffers, its batches in memory; meanwhile another has gone on from its positions."""
    lab.prefill(BACKLOG, "--mix", "90:8:2")
    engines = [
        lab.another(SINKS="redis,elasticsearch", **({"INSTANCE_ID": f"e{n}"} if static else {})) for n in range(2)
    ]
    zombie, other = engines
    zombie.init()
    zombie.start()
    other.start(wait=False)
    group = Group(*engines)
    until(lambda: f"two share: {group.log_tail()}", 60, group.is_shared, 0.05)
    load(lab, zombie)
    zombie.signal(signal.SIGSTOP)
    taken_over(other)
    load(lab, other)
    zombie.signal(signal.SIGCONT)
    until(lambda: f"they share again: {group.log_tail()}", 60, group.is_shared, 0.05)
    lab.assert_equal(group, FAST, seconds=240)
    for engine in engines:
        engine.assert_alive()
    print(f"\nzombie {zombie.stop():.2f} s, refused or absorbed {zombie.duplicates} and {other.duplicates}")


def test_a_double_of_an_instance_ends_the_older_one_with_the_reason(lab: Lab) -> None:
    """A supervisor starts a frozen engine anew; later the old one wakes up. Its instance id belongs to another now."""
    lab.prefill(BACKLOG, "--mix", "92:8:0")
    old, young = (lab.another(SINKS="redis,elasticsearch", INSTANCE_ID="one") for _ in range(2))
    old.init()
    old.start()
    load(lab, old)
    old.signal(signal.SIGSTOP)
    young.start()
    taken_over(young)
    old.signal(signal.SIGCONT)
    assert old.wait_end(20) == 78, old.log_tail()
    assert "INSTANCE_ID" in old.log()
    lab.assert_equal(young, FAST, seconds=240)
    young.assert_alive()


def test_static_members_come_back_without_a_rebalance(lab: Lab) -> None:
    lab.prefill(BACKLOG)
    first, second = (lab.another(SINKS="redis,elasticsearch", INSTANCE_ID=f"e{n}") for n in range(2))
    first.init()
    first.start()
    second.start(wait=False)
    group = Group(first, second)
    until(lambda: f"two share: {group.log_tail()}", 60, group.is_shared, 0.05)
    owned = second.partitions()
    load(lab, second)
    second.kill()
    rebalances = first.metrics().sum("source_rebalances_total")
    second.start()
    until("the same partitions", 30, lambda: second.partitions() == owned, 0.05)
    assert first.metrics().sum("source_rebalances_total") == rebalances
    lab.assert_equal(group, FAST, seconds=240)
