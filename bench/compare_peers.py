#!/usr/bin/env python3
"""Anabranch beside other programs that do the same work, interleaved, on the same topic and into the same stub sinks.

    bench/compare_peers.py                            Anabranch and the Flink job of bench/peers/flink, 1,000,000 records
    bench/compare_peers.py --runs 3 --records 1000000

The Flink job is ours (bench/peers/flink/src: Flink 1.20, one chain per core, Jackson's streaming parser, batches, two
requests in flight per writer, aggregation before Redis); its libraries come from Maven when they are not in the cache.
It runs in one JVM, the cheapest way to run it. Each gets new stub sinks, which count what was lost and what came twice.

For both, CPU is utime and stime of the whole process. A JVM's start and warming-up are in it: so a run over a tenth of the
records is made too, and "without start" is what the other nine tenths cost. Anabranch's start is counted in both.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pipeline

FLINK = pipeline.ROOT / "bench/peers/flink"
CACHE = Path(os.environ.get("AB_CACHE_DIR", Path.home() / ".cache/anabranch"))
HEAP = "1g"
# Flink on Java 17 reaches into these packages; its own scripts open them too.
OPENS = ["java.base/java.lang", "java.base/java.util", "java.base/java.util.concurrent", "java.base/java.util.concurrent.atomic",
         "java.base/java.net", "java.base/java.io", "java.base/java.nio", "java.base/java.text", "java.base/java.time"]


def build_flink() -> str:
    """Its class path. The libraries are got once per version of the pom."""
    libraries, classes = CACHE / "peers-flink", pipeline.ROOT / "build/peers-flink"
    if not (libraries / "done").exists():
        subprocess.run(["mvn", "-q", "-B", "-f", str(FLINK / "pom.xml"),
                        "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
                        "-DincludeScope=runtime", f"-DoutputDirectory={libraries}"], check=True)
        (libraries / "done").touch()
    classes.mkdir(parents=True, exist_ok=True)
    subprocess.run(["javac", "-nowarn", "-cp", f"{libraries}/*", "-d", str(classes),
                    *map(str, sorted((FLINK / "src/main/java/peer").glob("*.java")))], check=True)
    return f"{classes}:{libraries}/*"


def flink_command(class_path: str, topic: pipeline.Topic, settings: dict[str, str], stubs: pipeline.Stubs) -> list[str]:
    jdbc = (f"jdbc:postgresql://{settings['POSTGRES_HOST']}:{settings['POSTGRES_PORT']}/{settings['POSTGRES_DB']}"
            f"?user={settings['POSTGRES_USER']}&password={settings['POSTGRES_PASSWORD']}")
    opens = [word for package in OPENS for word in ("--add-opens", f"{package}=ALL-UNNAMED")]
    return ["java", f"-Xmx{HEAP}", "-XX:+UseG1GC", *opens, "-cp", class_path, "peer.FanOut",
            "--topic", topic.name, "--brokers", topic.brokers, "--jdbc", jdbc,
            "--elasticsearch", f"http://127.0.0.1:{stubs.port + 1}", "--bigquery", f"http://127.0.0.1:{stubs.port + 2}",
            "--redis-host", "127.0.0.1", "--redis-port", str(stubs.port)]


def run_flink(options: argparse.Namespace, class_path: str, topic: pipeline.Topic, settings: dict[str, str]) -> dict[str, Any]:
    stubs = pipeline.Stubs(options.build, options.port)
    log = Path(f"/tmp/compare_peers.flink.{os.getpid()}.log")
    with log.open("w") as words:
        process = subprocess.Popen(flink_command(class_path, topic, settings, stubs), stdout=words, stderr=words)
    pid, cpu, rss = process.pid, 0.0, 0
    while True:
        # The last look before it ends is what it cost; the end itself is told by wait4, which has all of it.
        try:
            rss = max(rss, pipeline.peak_rss(pid))
        except (OSError, TypeError):
            pass
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            cpu = usage.ru_utime + usage.ru_stime
            break
        time.sleep(0.05)
    seen = stubs.look()
    stubs.process.kill()
    stubs.process.wait()
    if status != 0:
        pipeline.stop("the Flink job failed:\n" + "\n".join(log.read_text().splitlines()[-15:]))
    log.unlink()
    return summary("flink", topic.count, seen, cpu, rss)


def summary(name: str, count: int, seen: dict[str, Any], cpu: float, rss: int) -> dict[str, Any]:
    seconds = (seen["last_ns"] - seen["first_ns"]) / 1e9
    lost = {"redis": count - seen["redis_events"], "elasticsearch": count - seen["es_created"], "bigquery": count - seen["bq_rows"]}
    return {"name": name, "records": count, "per_second": count / seconds, "cpu_seconds": cpu, "rss_bytes": rss,
            "lost": {k: max(0, v) for k, v in lost.items()}, "bad": seen["bad"],
            "doubled": {"redis": max(0, -lost["redis"]), "elasticsearch": seen["es_conflicts"], "bigquery": seen["bq_doubled"]}}


def run_anabranch(options: argparse.Namespace, topic: pipeline.Topic, settings: dict[str, str]) -> dict[str, Any]:
    one = pipeline.Run(options, options.build, topic, settings).go()
    return summary("anabranch", topic.count, one["stubs"], one["cpu_per_million"] * topic.count / 1e6, one["rss_bytes"])


def show(name: str, full: list[dict[str, Any]], tenth: list[dict[str, Any]]) -> float:
    million = [r["cpu_seconds"] / r["records"] * 1e6 for r in full]
    steady = [(a["cpu_seconds"] - b["cpu_seconds"]) / (a["records"] - b["records"]) * 1e6 for a, b in zip(full, tenth)]
    print(f"\n{name}: {len(full)} run(s), median (least to most)")
    print(f"  thousand records/s           {pipeline.middle([r['per_second'] / 1e3 for r in full])}")
    print(f"  CPU s per million            {pipeline.middle(million)}, without start {pipeline.middle(steady)}")
    print(f"  RSS, peak (MB)               {pipeline.middle([r['rss_bytes'] / 1e6 for r in full])}")
    print(f"  lost, doubled, refused       {sum(sum(r['lost'].values()) for r in full)}, "
          f"{sum(sum(r['doubled'].values()) for r in full)}, {sum(r['bad'] for r in full)}")
    return statistics.median(steady if min(steady) > 0 else million)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--unwrapped", action="store_true")
    parser.add_argument("--build", type=Path, default=pipeline.ROOT / "build/release")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--port", type=int, default=17740)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.sinks, options.under = "stub", ""
    settings = pipeline.stack_settings()
    class_path = build_flink()
    topics = [pipeline.full_topic(settings, options.build, n, options.unwrapped) for n in (options.records // 10, options.records)]
    pipeline.seed_contents(options.build, settings)
    result: dict[str, Any] = {"host": pipeline.host(), "command": sys.argv, "anabranch": [[], []], "flink": [[], []]}
    for _ in range(options.runs):
        for t, topic in enumerate(topics):
            result["anabranch"][t].append(run_anabranch(options, topic, settings))
            result["flink"][t].append(run_flink(options, class_path, topic, settings))
    ours = show("Anabranch", result["anabranch"][1], result["anabranch"][0])
    theirs = show("Flink", result["flink"][1], result["flink"][0])
    whole = [statistics.median(r["cpu_seconds"] for r in result[name][1]) for name in ("flink", "anabranch")]
    print(f"\nFlink's CPU against Anabranch's: {whole[0] / whole[1]:.1f} times with start, {theirs / ours:.1f} without")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
