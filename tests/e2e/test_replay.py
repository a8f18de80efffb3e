"""`anabranch dlq` and `anabranch replay`: what was rejected or removed comes into one sink again, and nothing twice."""

import json
import subprocess
from typing import Any

from engine import Engine, binary
from lab import Lab
from services import http

REFUSED = 64


def command(engine: Engine, *arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [str(binary("anabranch")), *arguments, "-e", str(engine.env_file)], env=engine.environment(),
        cwd=engine.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
    )
    assert done.returncode == status, f"anabranch {' '.join(arguments)}: {done.returncode}, not {status}:\n{done.stdout}"
    return done.stdout


def groups(engine: Engine, *arguments: str) -> list[dict[str, Any]]:
    return json.loads(command(engine, "dlq", "list", "--format", "json", *arguments))["groups"]


def test_dead_letters_are_listed_shown_and_delivered_once_their_cause_is_gone(lab: Lab) -> None:
    """A template of somebody's makes device a number: Elasticsearch rejects text in it. And records above the limit."""
    template = {
        "index_patterns": ["engagement-events-*"], "priority": 900,
        "template": {"mappings": {"properties": {"device": {"type": "long"}}}},
    }
    url = lab.services.elasticsearch.url
    http("PUT", f"{url}/_index_template/somebody", template)
    try:
        engine = lab.engine(RECORD_MAX_BYTES=4096, BREAKER_SHARE=100)
        engine.init()
        engine.start()
        lab.produce(*(lab.flat(n) for n in range(1, 21)), lab.flat(21, device=None), b"no JSON",
                    lab.flat(22, device=None, raw_payload="10.0.0.1 " * 1000))
        lab.settle(engine)
    finally:
        http("DELETE", f"{url}/_index_template/somebody")
    lab.services.elasticsearch.wipe()

    found = groups(engine)
    assert {(g["sink"], g["code"]): g["letters"] for g in found} == {
        ("elasticsearch", "sink"): 20, ("all", "not_json"): 1, ("all", "too_large"): 1,
    }
    assert len(groups(engine, "--sink", "redis")) == 2
    text = command(engine, "dlq", "list")
    assert "22 dead letters" in text and "device" in text
    large = next(g for g in found if g["code"] == "too_large")
    shown = command(engine, "dlq", "show", str(large["no"]))
    assert "RECORD_MAX_BYTES" in shown and '"raw_payload": "(masked)"' in shown and "10.0.0.1" not in shown
    place = ("--partition", str(large["example"]["partition"]), "--offset", str(large["example"]["offset"]))
    assert "10.0.0.1" in command(engine, "dlq", "show", *place, "--raw")

    engine.settings["RECORD_MAX_BYTES"] = "4194304"
    engine.write_env()
    lab.record_max_bytes = 4194304
    told = command(engine, "dlq", "replay", "--sink", "elasticsearch", status=1)
    assert "22 records read, 21 delivered (0 of them were there already)" in told and "1 cannot be read" in told
    command(engine, "dlq", "replay", "--sink", "bigquery", status=1)
    told = command(engine, "dlq", "replay", "--sink", "elasticsearch", status=1)
    assert "21 delivered (21 of them were there already)" in told
    assert "its counters do not tell" in command(engine, "dlq", "replay", "--sink", "redis", status=REFUSED)

    # Number 21 never was a letter, but its index is gone: the range brings it back, and the others change nothing.
    told = command(engine, "replay", "--sink", "elasticsearch", "--from", "earliest", status=1)
    assert "22 delivered (21 of them were there already)" in told
    records = lab.records()
    expected = lab.expected()
    assert {key[1] for key in expected.documents} == set(range(1, 23))
    report = lab.differences(records, {"elasticsearch", "bigquery"})
    # The letters of records that are delivered by now stay in the topic; verify knows them as dead, and yet there.
    command(engine, "verify", "--sink", "redis,bigquery,elasticsearch")
    assert set(report.counts) <= {"dead letter unexpected"} and report.duplicates == 0, str(report)


def test_a_range_is_sent_again_while_the_engine_runs(lab: Lab) -> None:
    engine = lab.engine()
    engine.init()
    engine.start()
    lab.prefill(3_000, "--mix", "70:20:10")
    lab.assert_equal(engine)
    table = lab.bigquery.name(lab.name)
    lab.bigquery.query(f"DELETE FROM {table} WHERE kafka_partition = 1 AND kafka_offset >= 100 AND kafka_offset < 300")
    lab.services.elasticsearch.wipe()

    lab.produce(*(lab.flat(5_000_000 + n) for n in range(2_000)))
    told = command(engine, "replay", "--sink", "bigquery", "--from", "1:50", "--to", "1:350")
    assert "300 records read, 300 delivered" in told
    command(engine, "replay", "--sink", "elasticsearch", "--from", "2020-01-01T00:00:00Z")
    report = lab.assert_equal(engine)
    assert report.duplicates == 0

    assert "PARTITION:OFFSET" in command(engine, "replay", "--sink", "bigquery", "--from", "9:1", status=REFUSED)
    assert "--from says" in command(engine, "replay", "--sink", "bigquery", status=REFUSED)
    assert "counters" in command(engine, "replay", "--sink", "redis", "--from", "earliest", status=REFUSED)
