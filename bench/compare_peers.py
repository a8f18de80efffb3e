#!/usr/bin/env python3
"""Anabranch beside other programs that do the same work, interleaved, on the same topic and into the same stub sinks.

    bench/compare_peers.py                            Anabranch, Flink and Benthos, 1,000,000 records
    bench/compare_peers.py --runs 3 --peer flink      Anabranch and Flink

The Flink job is ours (bench/peers/flink/src: Flink 1.20, one chain per core, Jackson's streaming parser, batches, two
requests in flight per writer, aggregation before Redis); its libraries come from Maven when they are not in the cache.
It runs in one JVM, the cheapest way to run it. Benthos is the open-source engine of Redpanda Connect; the pipeline is ours
too (bench/peers/benthos: one Bloblang mapping for all sinks, the same batches and requests in flight), and so are reading
Kafka (franz-go) and adding up for Redis; its modules come from Go's proxy. Each gets new stub sinks, which count what was
lost and what came twice.

CPU is utime and stime of the whole process. Start and warming-up are in it: so a run over a tenth of the records is made
too, and "without start" is what the other nine tenths cost.
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
import psycopg

FLINK, BENTHOS = pipeline.ROOT / "bench/peers/flink", pipeline.ROOT / "bench/peers/benthos"
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


def build_benthos(settings: dict[str, str]) -> tuple[Path, Path]:
    """Its program, and the contents it looks up."""
    to = pipeline.ROOT / "build/peers-benthos"
    to.mkdir(parents=True, exist_ok=True)
    subprocess.run(["go", "build", "-o", to / "peer", "."], cwd=BENTHOS, check=True)
    address = {name: settings[f"POSTGRES_{name.upper()}"] for name in ("host", "port", "user", "password")}
    with psycopg.connect(dbname=settings["POSTGRES_DB"], **address) as connection:
        rows = connection.execute("SELECT id::text, content_type, length_seconds FROM content")
        contents = {id: {"type": kind, "seconds": seconds} for id, kind, seconds in rows}
    (to / "contents.json").write_text(json.dumps(contents))
    return to / "peer", to / "contents.json"


def benthos_environment(contents: Path, topic: pipeline.Topic, stubs: pipeline.Stubs) -> dict[str, str]:
    return os.environ | {
        "PEER_BROKERS": topic.brokers, "PEER_TOPIC": topic.name, "PEER_RECORDS": str(topic.count), "PEER_CONTENTS": str(contents),
        "PEER_REDIS": f"127.0.0.1:{stubs.port}", "PEER_ELASTICSEARCH": f"http://127.0.0.1:{stubs.port + 1}",
        "PEER_BIGQUERY": f"http://127.0.0.1:{stubs.port + 2}",
    }


def run_peer(name: str, built: Any, options: argparse.Namespace, topic: pipeline.Topic,
             settings: dict[str, str]) -> dict[str, Any]:
    stubs = pipeline.Stubs(options.build, options.port)
    log = Path(f"/tmp/compare_peers.{name}.{os.getpid()}.log")
    if name == "flink":
        command, environment = flink_command(built, topic, settings, stubs), None
    else:
        command, environment = [built[0], "run", BENTHOS / "fan_out.yaml"], benthos_environment(built[1], topic, stubs)
    with log.open("w") as words:
        process = subprocess.Popen(command, env=environment, stdout=words, stderr=words)
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
        pipeline.stop(f"{name} failed:\n" + "\n".join(log.read_text().splitlines()[-15:]))
    log.unlink()
    return summary(name, topic.count, seen, cpu, rss)


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
    parser.add_argument("--peer", action="append", default=[], choices=["flink", "benthos"], help="instead of both; repeatable")
    parser.add_argument("--unwrapped", action="store_true")
    parser.add_argument("--build", type=Path, default=pipeline.ROOT / "build/release")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--port", type=int, default=17740)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.sinks, options.under = "stub", ""
    settings = pipeline.stack_settings()
    peers = options.peer or ["flink", "benthos"]
    topics = [pipeline.full_topic(settings, options.build, n, options.unwrapped) for n in (options.records // 10, options.records)]
    pipeline.seed_contents(options.build, settings)
    built = {name: build_flink() if name == "flink" else build_benthos(settings) for name in peers}
    result: dict[str, Any] = {"host": pipeline.host(), "command": sys.argv} | {name: [[], []] for name in ["anabranch", *peers]}
    for _ in range(options.runs):
        for t, topic in enumerate(topics):
            result["anabranch"][t].append(run_anabranch(options, topic, settings))
            for name in peers:
                result[name][t].append(run_peer(name, built[name], options, topic, settings))
    ours = show("anabranch", result["anabranch"][1], result["anabranch"][0])
    whole = {name: statistics.median(r["cpu_seconds"] for r in result[name][1]) for name in ["anabranch", *peers]}
    for name in peers:
        theirs = show(name, result[name][1], result[name][0])
        print(f"  CPU against Anabranch's      {whole[name] / whole['anabranch']:.1f} times with start, {theirs / ours:.1f} without")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
