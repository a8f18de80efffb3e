"""`anabranch tap`: what is shown of the events, against the oracle's reading of the same log."""

import http.client
import json
import socket
import subprocess
from typing import Any

import oracle
from engine import Engine, binary
from lab import Lab

NO_SAMPLES, USAGE, UNREACHABLE = 1, 64, 69
MASK = 2**64 - 1
SECRETS = ("10.0.0.1", "hunter2")


def tap(engine: Engine, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [str(binary("anabranch")), "tap", *arguments, "-e", str(engine.env_file)],
        env=engine.environment(), capture_output=True, text=True, timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def answer(engine: Engine, cursor: str = "") -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All samples that the engine keeps, from the cursor on; and the last line, with what was missed on the way."""
    samples: list[dict[str, Any]] = []
    missed = 0
    while True:
        status, text = engine.get(f"tap?after={cursor}")
        assert status == 200, text
        *more, last = [json.loads(line) for line in text.splitlines()]
        samples += more
        missed += last["missed"]
        cursor = last["cursor"]
        if not more:
            return samples, last | {"missed": missed}


def events(lab: Lab) -> dict[tuple[int, int], tuple[oracle.Event, Any]]:
    """By partition and offset: what can be read as an event, and its row."""
    decoder = oracle.Decoder()
    found = {}
    for record in lab.records():
        try:
            event = decoder.decode(record)
        except oracle.Rejected:
            continue
        if event is not None:
            found[record.partition, record.offset] = (event, decoder.payload(record.value or b""))
    return found


def masked(row: dict[str, Any]) -> dict[str, Any]:
    hidden = ("raw_payload", "session_token")
    return {name: "(masked)" if name in hidden and value is not None else value for name, value in row.items()}


def chosen(row_id: int, percent: int) -> bool:
    """splitmix64's finalizer, by hand."""
    x = (row_id + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return (x ^ (x >> 31)) >> 32 < (percent << 32) // 100


def test_with_every_event_chosen_it_shows_what_the_log_and_the_sinks_hold(lab: Lab) -> None:
    lab.prefill(150, "--mix", "70:20:10")  # first, so that the engine knows their contents
    engine = lab.engine(MONITORING_SAMPLE_RATE=100)
    engine.init()
    engine.start()
    lab.produce(
        lab.flat(7_000_001, raw_payload=f'{{"ip":"{SECRETS[0]}"}}', session_token=SECRETS[1]),
        b"no JSON", None, lab.flat(7_000_002, __lsn=None), lab.flat(7_000_003, device="x" * 5000),
    )
    lab.assert_equal(engine)
    expected, whole = events(lab), lab.expected()
    code, output, errors = tap(engine, "--limit", str(len(expected)), "--format", "json")
    assert code == 0 and errors == "", errors
    assert not any(secret in output for secret in SECRETS)
    seen: dict[tuple[int, int], dict[str, Any]] = {}
    for line in output.splitlines():
        sample = json.loads(line)
        place = sample["partition"], sample["offset"]
        event, row = expected[place]
        assert (sample["op"], sample["id"]) == (event.op, event.id)
        assert sample["row"] == (None if event.id == 7_000_003 else masked(row))
        pct = sample["engagement_pct"]
        assert (sample["content_type"], None if pct is None else f"{pct:.2f}") in {
            (kind, None if other is None else f"{other:.2f}") for kind, other in whole.alternatives(event)
        }
        # A sink that reads by itself for a while has samples of its own.
        seen.setdefault(place, {}).update(sample["sinks"])
    assert seen.keys() == expected.keys()
    documents = {int(key): source for _, key, _, source in lab.services.elasticsearch.documents()}
    for (partition, offset), sinks in seen.items():
        event, _ = expected[partition, offset]
        assert set(sinks) == set(oracle.SINKS)
        assert sinks["redis"]["outcome"] == ("given" if event.op in oracle.COUNTED else "skipped")
        assert sinks["bigquery"]["outcome"] == "given"
        if event.id == 7_000_003:
            continue  # its row and what was written of it do not fit a sample
        assert sinks["bigquery"]["written"]["insertId"] == f"{lab.events_topic}-{partition}-{offset}"
        if event.lsn is None:
            assert sinks["elasticsearch"]["outcome"] == "rejected" and "LSN" in sinks["elasticsearch"]["reason"]
        elif whole.newest[event.id].offset == offset:
            assert sinks["elasticsearch"]["written"][1] == documents[event.id]
    show_one_sink_and_what_is_masked(engine, len(expected))


def show_one_sink_and_what_is_masked(engine: Engine, count: int) -> None:
    code, output, _ = tap(engine, "--limit", str(count), "--raw", "--format", "json")
    assert code == 0 and all(secret in output for secret in SECRETS)
    code, output, _ = tap(engine, "elasticsearch", "--limit", str(count))
    assert code == 0 and "  elasticsearch  given to lane " in output and "  elasticsearch  rejected: " in output
    assert "\n  redis" not in output and not any(secret in output for secret in SECRETS)
    assert output.count("  partition ") == count
    code, _, errors = tap(engine, "nowhere")
    assert code == USAGE and "redis bigquery elasticsearch" in errors


def test_a_share_is_the_same_rows_for_every_engine_and_after_a_restart(lab: Lab) -> None:
    lab.prefill(3000, "--mix", "70:20:10")
    expected = events(lab)
    rows = {event.id for event, _ in expected.values() if chosen(event.id, 5)}
    assert 50 < len(rows) < 250
    first = lab.engine(MONITORING_SAMPLE_RATE=5, SINKS="redis")
    other = lab.another(MONITORING_SAMPLE_RATE=5, SINKS="elasticsearch", GROUP_ID=f"{lab.name}.other")
    for engine, sink in ((first, "redis"), (other, "elasticsearch")):
        engine.init()
        engine.start()
        lab.settle(engine, {sink})
        samples, last = answer(engine)
        assert last["rate"] == 5
        assert {(s["partition"], s["offset"]) for s in samples} == {
            place for place, (event, _) in expected.items() if event.id in rows
        }
    first.stop()
    lab.produce(*[lab.flat(row, op="u") for row in range(-200, 200)])
    first.start()
    lab.settle(first, {"redis"})
    samples, _ = answer(first)
    assert {s["id"] for s in samples} == {row for row in range(-200, 200) if chosen(row, 5)}
    assert len(samples) > 10


def test_what_is_overwritten_before_it_is_shown_is_counted(lab: Lab) -> None:
    engine = lab.engine(MONITORING_SAMPLE_RATE=100, SINKS="redis")
    engine.init()
    engine.start()
    lab.prefill(20)
    lab.settle(engine, {"redis"})
    first, last = answer(engine)
    assert (len(first), last["missed"]) == (20, 0)
    lab.prefill(2000, "--first-id", "1000000")
    lab.settle(engine, {"redis"})
    samples, last = answer(engine, last["cursor"])
    assert len(samples) + last["missed"] == 2000 and last["missed"] > 0 and len(samples) >= 256
    assert engine.metrics().sum("tap_samples_total") == 2020


def own_address() -> str:
    """An address of this machine that is not loopback; "" when there is none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def test_it_says_why_there_is_nothing_to_show(lab: Lab) -> None:
    engine = lab.engine(MONITORING_SAMPLE_RATE=0, SINKS="redis")
    engine.init()
    code, _, errors = tap(engine)
    assert code == UNREACHABLE and "METRICS_PORT" in errors
    engine.start()
    code, output, errors = tap(engine)
    assert (code, output) == (NO_SAMPLES, "") and "MONITORING_SAMPLE_RATE" in errors


def test_it_answers_to_its_own_host_alone(lab: Lab) -> None:
    address = own_address()
    if not address:
        print("not looked at: this machine has no address but loopback's")
        return
    engine = lab.engine(SINKS="redis")
    engine.init()
    engine.start()
    for path, source, status in (("/tap", "127.0.0.1", 200), ("/tap", address, 403), ("/metrics", address, 200)):
        connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=5, source_address=(source, 0))
        connection.request("GET", path)
        assert connection.getresponse().status == status, (path, source)
        connection.close()
    # A foreign page whose name was bound to this host.
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=5)
    connection.request("GET", "/tap", headers={"Host": "rebound.example"})
    assert connection.getresponse().status == 403
    connection.close()
