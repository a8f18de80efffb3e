"""Each neighbour fails under load; the engine is not restarted, and in the end everything is equal."""

import time

import pytest
from lab import Lab, new_seed
from services import stack, until

RATE = 800


@pytest.mark.parametrize("service", ["redis", "elasticsearch", "bigquery", "kafka", "connect", "postgres"])
def test_a_neighbour_is_killed_and_comes_back_under_load(source_lab: Lab, service: str) -> None:
    lab = source_lab
    engine = lab.engine()
    engine.init()
    engine.start()
    process = engine.process
    before = lab.last_id()
    load = ["--rate", str(RATE), "--duration", "60", "--mix", "85:10:5", "--seed", new_seed()]
    generator = lab.generate_beside(*load)
    until("load", 40, lambda: engine.metrics().acked("redis") > 2 * RATE)
    stack("kill", service)
    time.sleep(3)
    stack("up", service)
    if service in ("postgres", "kafka", "connect"):
        stack("create")
    time.sleep(2)
    if service == "postgres":
        # The generator's connections are gone with the server.
        generator.wait(30)
        generator = lab.generate_beside("--rate", str(RATE), "--duration", "5", "--seed", new_seed())
        generator.wait(40)
    else:
        generator.terminate()
        generator.wait(20)
    lab.wait_for_all_rows(before)
    report = lab.assert_equal(engine, seconds=180)
    assert engine.process is process and engine.starts == 1
    print(f"\n{service}: rows doubled in BigQuery's table {report.duplicates}")


def test_connect_killed_under_load_repeats_nothing(source_lab: Lab) -> None:
    """What repeats is seen in the log; BigQuery's emulator would only take its time."""
    lab = source_lab
    sinks = {"redis", "elasticsearch"}
    engine = lab.engine(SINKS=",".join(sinks))
    engine.init()
    engine.start()
    before = lab.last_id()
    # Longer than three restarts of Connect may take; it is ended when they are over.
    generator = lab.generate_beside("--rate", "600", "--duration", "600", "--seed", new_seed())
    for _ in range(3):
        acked = engine.metrics().acked("redis")
        until("load", 60, lambda a=acked: engine.metrics().acked("redis") > a + 2000)
        stack("kill", "connect")
        stack("up", "connect")
    generator.terminate()
    generator.wait(20)
    lab.wait_for_all_rows(before)
    events = list(lab.changes(before))
    written = sum(1 for _ in lab.services.kafka.records(lab.events_topic, "read_uncommitted", lab.since))
    print(f"\n{len(events)} changes of {written} records, those of aborted transactions included")
    assert lab.changes_written_twice(before) == 0
    lab.assert_equal(engine, sinks)


@pytest.mark.parametrize("absent", ["redis", "elasticsearch", "bigquery"])
def test_a_sink_that_is_absent_at_start_joins_when_it_appears(lab: Lab, absent: str) -> None:
    lab.prefill(8_000)
    engine = lab.engine()
    engine.init()
    stack("down", absent)
    engine.start()
    others = {"redis", "elasticsearch", "bigquery"} - {absent}
    lab.settle(engine, others)
    assert absent in engine.get("readyz")[1]
    lab.prefill(4_000, "--mix", "90:10:0", seed=2)
    lab.settle(engine, others)
    engine.kill()
    engine.start()  # where the absent one stands is known by the commit alone
    stack("up", absent)
    lab.assert_equal(engine)


def test_a_sink_that_was_never_there_is_prepared_when_it_appears(lab: Lab) -> None:
    """A BigQuery emulator that is still being built when the pipeline is made for the first time."""
    lab.prefill(5_000)
    engine = lab.engine()
    stack("down", "bigquery")
    engine.command("init", "-y", check=False)
    engine.start()
    lab.settle(engine, {"redis", "elasticsearch"})
    stack("up", "bigquery")
    lab.assert_equal(engine)
