"""`anabranch verify` against the oracle: it agrees with what is right, and names what is not."""

import json
import subprocess
from typing import Any

import oracle
import pytest
from engine import Engine, binary
from lab import Lab
from row_keeper import COLUMNS
from services import http, until

AGREES, DIFFERS, UNREACHABLE = 0, 1, 69
SINKS = "redis,bigquery,elasticsearch"


def verify(lab: Lab, engine: Engine, *arguments: str, sinks: str = SINKS) -> tuple[int, dict[str, Any]]:
    """The exit code, and the report of each sink by its name."""
    done = subprocess.run(
        [str(binary("anabranch")), "verify", "-e", str(engine.env_file), "--format", "json", "--sink", sinks, *arguments],
        env=engine.environment(), capture_output=True, text=True, timeout=120,
    )
    assert done.stdout, f"verify ended with {done.returncode}: {done.stderr}"
    report = json.loads(done.stdout)
    return done.returncode, {sink["sink"]: sink for sink in report["sinks"]}


def counts(report: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    return {
        name: (sink["lost"]["count"], sink["duplicated"]["count"], sink["differing"]["count"])
        for name, sink in report.items()
    }


NOTHING = {"redis": (0, 0, 0), "bigquery": (0, 0, 0), "elasticsearch": (0, 0, 0)}


MIXED = (2_000, "--mix", "70:20:10", "--transaction", "700")


@pytest.fixture
def filled(lab: Lab) -> tuple[Lab, Engine]:
    """A pipeline that has delivered changes of every kind, some poison among them; the oracle agrees with it."""
    lab.generate("--count", "0")  # contents of what comes later: they are read when the engine starts
    engine = lab.engine()
    engine.init()
    engine.start()
    lab.produce(lab.flat(7_000_001), b"no JSON", lab.flat(7_000_002, __lsn=None), None, lab.flat(7_000_003))
    lab.prefill(*MIXED)
    lab.assert_equal(engine)
    return lab, engine


def test_it_agrees_with_a_healthy_pipeline_while_it_runs_and_after_its_stop(filled: tuple[Lab, Engine]) -> None:
    lab, engine = filled
    expected = lab.expected()
    code, report = verify(lab, engine)
    assert (code, counts(report)) == (AGREES, NOTHING), report
    assert report["redis"]["expected"] == report["redis"]["present"] == expected.counted
    assert report["bigquery"]["expected"] == report["bigquery"]["present"] == len(expected.rows)
    assert report["elasticsearch"]["expected"] == report["elasticsearch"]["present"] == len(expected.documents)
    assert (report["redis"]["dead"], report["bigquery"]["dead"], report["elasticsearch"]["dead"]) == (1, 1, 2)

    in_flight = 0
    for first_id in (5_000_001, 6_000_001):
        # Rows keep coming while it looks.
        before = engine.metrics().acked("redis")
        lab.prefill_beside(6_000, "--first-id", str(first_id), "--rate", "1500")
        until("changes on their way", 30, lambda before=before: engine.metrics().acked("redis") > before, 0.05)
        code, report = verify(lab, engine)
        assert (code, counts(report)) == (AGREES, NOTHING), report
        in_flight += sum(sink["in_flight"] for sink in report.values())
    print(f"in flight while it ran: {in_flight}")
    assert in_flight > 0, "the engine was done each time: this compared nothing that runs"

    lab.assert_equal(engine)
    engine.stop()
    code, report = verify(lab, engine)
    assert (code, counts(report)) == (AGREES, NOTHING), report
    assert all(sink["in_flight"] == 0 for sink in report.values())


def is_named(ranges: list[dict[str, int]], event: oracle.Event) -> bool:
    """In one range, which a lost dead letter may share when it is its neighbour."""
    return any(r["partition"] == event.partition and r["first"] <= event.offset <= r["last"] for r in ranges)


def damage_elasticsearch(lab: Lab, engine: Engine) -> None:
    search = lab.services.elasticsearch
    (gone_index, gone_id), (odd_index, odd_id), *_ = sorted(lab.expected().documents)
    gone, odd = (lab.expected().documents[key] for key in ((gone_index, gone_id), (odd_index, odd_id)))
    http("DELETE", f"{search.url}/{gone_index}/_doc/{gone_id}")
    source = http("GET", f"{search.url}/{odd_index}/_doc/{odd_id}")["_source"]
    http("PUT", f"{search.url}/{odd_index}/_doc/{odd_id}?version_type=external_gte&version={odd.lsn}",
         source | {"device": "toaster"})
    http("PUT", f"{search.url}/{odd_index}/_doc/99999999?version_type=external&version=5", source)

    code, report = verify(lab, engine, sinks="elasticsearch")
    assert (code, counts(report)) == (DIFFERS, {"elasticsearch": (1 + 2, 0, 2)}), report
    lost, differing = report["elasticsearch"]["lost"], report["elasticsearch"]["differing"]
    assert is_named(lost["ranges"], gone)
    assert any(f"{gone_index}/{gone_id}" in one for one in lost["examples"])
    assert any(f"{odd_index}/{odd_id} " in one and "device is toaster, not " in one for one in differing["examples"])
    assert any(f"{odd_index}/99999999" in one and "no record" in one for one in differing["examples"])
    assert differing["ranges"] == [{"partition": odd.partition, "first": odd.offset, "last": odd.offset, "count": 1}]


def damage_bigquery(lab: Lab, engine: Engine) -> None:
    table = lab.bigquery.name(lab.name)
    event = next(e for e in lab.expected().rows.values() if e.op == "c")
    where = f"kafka_partition = {event.partition} AND kafka_offset = {event.offset}"
    lab.bigquery.query(f"INSERT INTO {table} SELECT * FROM {table} WHERE {where}")
    code, report = verify(lab, engine, sinks="bigquery")
    assert counts(report) == {"bigquery": (1, 1, 0)}, report  # one dead letter is still lost
    place = {"partition": event.partition, "first": event.offset, "last": event.offset, "count": 1}
    assert report["bigquery"]["duplicated"]["ranges"] == [place]

    lab.bigquery.query(f"DELETE FROM {table} WHERE {where}")
    code, report = verify(lab, engine, sinks="bigquery")
    assert counts(report) == {"bigquery": (2, 0, 0)} and is_named(report["bigquery"]["lost"]["ranges"], event), report
    other = next(e for e in lab.expected().rows.values() if e.offset != event.offset and e.op == "c")
    lab.bigquery.query(
        f"UPDATE {table} SET duration_ms = 77 WHERE kafka_partition = {other.partition} AND kafka_offset = {other.offset}"
    )
    code, report = verify(lab, engine, sinks="bigquery")
    assert code == DIFFERS
    assert any("duration_ms is 77, not" in one for one in report["bigquery"]["differing"]["examples"])


def damage_redis(lab: Lab, engine: Engine) -> None:
    client = lab.services.redis.client
    key = max(client.scan_iter("access:by_type:window:*", 1000), key=lambda one: client.hlen(one))
    minute = key.rsplit(":", 1)[1]
    name = next(iter(client.hgetall(key)))
    client.hincrby(key, name, 3)
    code, report = verify(lab, engine, sinks="redis")
    assert code == DIFFERS and report["redis"]["duplicated"]["count"] == 3, report
    assert f"{minute} {name}" in report["redis"]["duplicated"]["examples"][0]
    client.hincrby(key, name, -4)
    code, report = verify(lab, engine, sinks="redis")
    assert code == DIFFERS and report["redis"]["lost"]["count"] == 1 + 1  # and the dead letter

    client.hincrby(key, name, 1)
    assert counts(verify(lab, engine, sinks="redis")[1]) == {"redis": (1, 0, 0)}
    for damaged in (f"engagement:by_type:window:{minute}", f"engagement:by_content:window:{minute}",
                    "stats:top_by_access", "stats:top_by_engagement", "stats:top_content"):
        member, score = client.zrange(damaged, 0, 0, withscores=True)[0]
        client.zadd(damaged, {member: score + 0.5})
        code, report = verify(lab, engine, "--examples", "50", sinks="redis")
        assert code == DIFFERS and any(damaged in one for one in report["redis"]["differing"]["examples"]), damaged
        client.zadd(damaged, {member: score})
    client.delete(f"access:by_type:window:{minute}")
    code, report = verify(lab, engine, sinks="redis")
    assert code == DIFFERS and report["redis"]["lost"]["count"] > 1


def lose_dead_letters(lab: Lab, engine: Engine) -> None:
    kafka = lab.services.kafka
    kafka.truncate(lab.dead_letter_topic)
    code, report = verify(lab, engine)
    assert code == DIFFERS and report["redis"]["lost"]["count"] == 1 and report["elasticsearch"]["lost"]["count"] >= 2
    assert (code, counts(report)) == (DIFFERS, {"redis": (1, 0, 0), "bigquery": (1, 0, 0), "elasticsearch": (2, 0, 0)})
    assert "no dead letter" in report["redis"]["lost"]["examples"][0]
    assert "not JSON" in report["redis"]["lost"]["examples"][0]


def test_it_names_whatever_is_wrong(filled: tuple[Lab, Engine]) -> None:
    """Each kind of damage by itself, the last of them in what is still whole."""
    lab, engine = filled
    leave_elasticsearch_out(lab, engine)
    lose_dead_letters(lab, engine)
    damage_redis(lab, engine)
    damage_bigquery(lab, engine)
    damage_elasticsearch(lab, engine)


def test_rows_that_are_newer_than_the_end_of_the_log_it_saw_are_no_difference(filled: tuple[Lab, Engine]) -> None:
    """The engine may have delivered what was written after the verifier looked where the log ends: a row of the view then shows
    such a change, or is hidden by it. Here the changes are in the table alone, far behind the end."""
    lab, engine = filled
    table = lab.bigquery.name(lab.name)
    changed, deleted, *_ = [int(row["id"]) for row in lab.bigquery.exact_rows()]
    for row_id, as_new in ((changed, {"op": "'u'"}), (deleted, {"op": "'d'", "deleted": "TRUE"})):
        new = {"version": "version + 1000000", "kafka_offset": "kafka_offset + 1000000"} | as_new
        columns = ", ".join(new.get(name, name) for name in COLUMNS)
        lab.bigquery.query(
            f"INSERT INTO {table} ({', '.join(COLUMNS)}) SELECT {columns} FROM {table} WHERE id = {row_id} AND version ="
            f" (SELECT MAX(version) FROM {table} WHERE id = {row_id})"
        )
    code, report = verify(lab, engine, sinks="bigquery")
    assert (code, counts(report)) == (AGREES, {"bigquery": (0, 0, 0)}), report


def leave_elasticsearch_out(lab: Lab, engine: Engine) -> None:
    code, report = verify(lab, engine, "-s", "ELASTICSEARCH_PORT=1")
    assert code == UNREACHABLE and not report["elasticsearch"]["compared"]
    assert report["redis"]["agrees"] and report["bigquery"]["agrees"]


def test_it_compares_the_table_of_postgresql_with_the_log(whole_source_lab: Lab) -> None:
    """All that the tests before have written in PostgreSQL, killed neighbours and all, is in each sink."""
    lab = whole_source_lab
    engine = lab.engine()
    engine.init()
    engine.start()
    lab.settle(engine, seconds=600)
    lab.generate(*"--rate 2000 --count 2000 --mix 80:15:5 --seed 9".split())
    everything = "postgres," + SINKS
    until("the connector", 60, lambda: verify(lab, engine, sinks="postgres")[0] == AGREES, 1)
    code, report = verify(lab, engine, sinks=everything)
    assert (code, counts(report)) == (AGREES, NOTHING | {"postgres": (0, 0, 0)}), report
    (row_id,) = lab.services.postgres.run("SELECT max(id) FROM engagement_events")[0]
    lab.services.postgres.run_unseen(f"UPDATE engagement_events SET device = 'toaster' WHERE id = {row_id}")
    code, report = verify(lab, engine, sinks="postgres")
    assert code == DIFFERS and f"id {row_id} " in report["postgres"]["differing"]["examples"][0]
    lab.services.postgres.run(f"UPDATE engagement_events SET device = 'ios' WHERE id = {row_id}")
    until("the connector", 60, lambda: verify(lab, engine, sinks="postgres")[0] == AGREES, 1)
