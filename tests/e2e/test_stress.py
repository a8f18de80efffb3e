"""What the generator says about times, against something that knows the truth: the database's clock, a delay of known
size, the oracle, a browser."""

import html.parser
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from engine import Engine, binary
from lab import CONTENTS, Lab
from proxy import REDIS, Proxy
from services import CONTENT_TOPIC

DELAY_MS = 200
THRESHOLD_CROSSED = 99
NOT_AS_PLANNED = 98
CHROMIUM = shutil.which("chromium")


def stress(engine: Engine, out: Path, *arguments: str, seconds: float = 240) -> tuple[int, dict[str, Any], str]:
    """Exit code, results, what was printed."""
    done = subprocess.run(
        [str(binary("anabranch-loadgen")), "stress", "-e", str(engine.env_file), "--seed-contents", str(CONTENTS),
         "--out", str(out), "--quiet", *arguments],
        env=engine.environment(), cwd=engine.directory, capture_output=True, text=True, timeout=seconds,
    )
    results = out / "results.json"
    assert results.exists(), f"no results, exit {done.returncode}: {done.stdout}{done.stderr}"
    return done.returncode, json.loads(results.read_text()), done.stdout + done.stderr


# --- the plan -------------------------------------------------------------------------------------------------------------


def test_nothing_leaves_before_its_time_and_what_is_late_is_said(source_lab: Lab) -> None:
    """By the database's clock: event_ts is its now() when the batch's transaction began."""
    lab = source_lab
    before = lab.services.postgres.run("SELECT coalesce(max(id), 0) FROM engagement_events")[0][0]
    command = lab.generator("--duration", "3", "--format", "json", "-s", "EVENT_INTERVAL_SECONDS=0.05", "-s", "BATCH_SIZE=7")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    said = json.loads(done.stdout)
    times = [
        row[0] for row in lab.services.postgres.run(
            "SELECT extract(epoch FROM event_ts)::float8 * 1000 AS at FROM engagement_events WHERE id > %s"
            " GROUP BY event_ts ORDER BY 1", (before,),
        )
    ]
    assert said["planned"] == said["created"] == 60 * 7
    assert len(times) == 60
    for number, at in enumerate(times):
        off = (at - times[0]) - number * 50
        assert off >= -said["late_ms"]["max"] - 1, f"batch {number} began {-off} ms early"
        assert off <= said["commit_ms"]["max"] + 1, f"batch {number} began {off} ms late; said were {said['commit_ms']}"


# --- freshness ------------------------------------------------------------------------------------------------------------


def percentile(results: dict[str, Any], sink: str, which: float) -> float:
    (found,) = (s for s in results["sinks"] if s["name"] == sink)
    return float(dict(map(tuple, found["freshness_curve"]))[which])


def test_a_delay_of_known_size_is_measured(lab: Lab) -> None:
    """Redis is reached through a proxy by the engine, and directly by the reader. With every request 200 ms later, the
    soonest row takes longer than that, which without the delay it does not."""
    proxy = Proxy(int(lab.services.environment["REDIS_PORT"]), REDIS)
    lab.closers.append(proxy.close)
    engine = lab.engine(
        SINKS="redis", REDIS_PORT=proxy.port, REDIS_FLUSH_INTERVAL_MS=1, CONTENT_TOPIC=CONTENT_TOPIC,
        REDIS_WINDOW_TTL_SECONDS=900,
    )
    engine.init()
    engine.start()
    lab.settle(engine, seconds=180)  # the rows of earlier tests: stress begins beside a pipeline at rest
    common = (
        "--target", "kafka", "-s", f"REDIS_PORT={lab.services.environment['REDIS_PORT']}", "--no-verify",
        "--stage", "Only:100ms:20:4s",
    )
    _, plain, _ = stress(engine, lab.directory / "plain", *common)
    proxy.far(DELAY_MS / 1000)
    _, delayed, words = stress(engine, lab.directory / "delayed", *common)
    print(words)
    for results in (plain, delayed):
        assert results["sinks"][0]["unseen"] == 0
        assert results["stages"][0]["inserted"] == 800
    assert percentile(plain, "redis", 1) < DELAY_MS <= percentile(delayed, "redis", 1)
    assert percentile(delayed, "redis", 50) - percentile(plain, "redis", 50) > DELAY_MS / 2
    assert not plain["verify"]["run"] and plain["verify"]["why"]


# --- end to end -----------------------------------------------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    """What a page would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {name}={value}" for name, value in attrs if name in ("src", "href", "srcset")]


def drawn_by_chromium(page: Path, profile: Path) -> str:
    """The document after its script has run; whatever the console was told is an error."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--enable-logging=stderr",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=5000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, env=os.environ | {"HOME": str(profile)},
    )
    told = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not told, told
    return done.stdout


def test_two_stages_reach_every_sink_and_the_report_says_so(source_lab: Lab) -> None:
    """The verifier compares what came to Kafka since a minute before the stages: the sinks must have that too."""
    lab = source_lab
    lab.since = {}
    engine = lab.engine()
    engine.init(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 90)))
    engine.start()
    lab.settle(engine, seconds=180)  # the rows of earlier tests: stress begins beside a pipeline at rest
    out = lab.directory / "report"
    code, results, words = stress(
        engine, out, "--stage", "Low:200ms:50:3s", "--stage", "High:100ms:100:3s", "--mix", "90:8:2",
        "--threshold", "freshness.p50<1ms@Low", "--threshold", "freshness.max<600s",
    )
    print(words)
    assert code == THRESHOLD_CROSSED
    assert [t["holds"] for t in results["thresholds"]][:2] == [False, True]
    assert [s["inserted"] for s in results["stages"]] == [750, 3000]
    for sink in results["sinks"]:
        assert (sink["arrived"], sink["unseen"]) == (3750, 0), sink
    proof = {s["sink"]: s for s in results["verify"]["sinks"]}
    assert set(proof) == {"postgres", "redis", "bigquery", "elasticsearch"}
    for sink in proof.values():
        assert (sink["compared"], sink["lost"], sink["duplicated"]) == (True, 0, 0), sink
        assert sink["expected"] >= 3000 if sink["sink"] != "redis" else sink["expected"] > 0, sink
    # Each change is a row there, and all of them were promised when the verifier looked.
    assert proof["bigquery"]["expected"] >= 3750

    code, again, _ = stress(
        engine, out, "--stage", "Low:200ms:50:3s", "--baseline", str(out / "results.json"), "--no-verify",
    )
    assert code in (0, NOT_AS_PLANNED)
    page = Page()
    page.feed((out / "report.html").read_text())
    assert not page.loads
    document = drawn_by_chromium(out / "report.html", lab.directory / "chromium")
    assert 'data-drawn="yes"' in document
    for word in ("Compared with an earlier run", "Freshness by percentile", "elasticsearch", "bigquery", "redis"):
        assert word in document, word
    assert document.count("<canvas") >= 4 + 2 * len(again["sinks"])
