#!/usr/bin/env python3
"""The whole pipeline, measured: a full topic of a real Kafka broker, through the engine, into three sinks.

    bench/pipeline.py                                 1,000,000 records of 2.0 KB into three stub sinks
    bench/pipeline.py --unwrapped                     records of 0.5 KB, without the schema wrapper
    bench/pipeline.py --broker stub                   the topic's segments from memory instead of a broker
    bench/pipeline.py --sinks real-redis              real Redis, the others stubs
    bench/pipeline.py --sinks real                    the stack's Redis, bqemulator and Elasticsearch
    bench/pipeline.py --bare --runs 7                 beside each run a bare librdkafka reader: the ratio of their CPU
    bench/pipeline.py --readers --workers 2 --runs 7  bare readers alone: one consumer for both threads against one for each
    bench/pipeline.py --engine A --engine B --runs 7  two builds, interleaved

Needs PostgreSQL and Kafka (stack/stack.sh up postgres kafka && stack/stack.sh create postgres kafka, with redis or all for
the other modes) and build/release. Topics are filled once and used again; positions, tables and stub sinks are new in
each run. A run in which an event was lost or doubled has no time: it ends the bench.

Times are from the first request with data to the last (stubs), or by polling every 0.1 s (real sinks). CPU is utime and
stime of every thread of the process, its start included, by name of thread; RSS is the peak.
"""
import argparse
import atexit
import itertools
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

ROOT = Path(__file__).resolve().parent.parent
PARTITIONS = 4
CONTENTS = 5000
RUN_SECONDS = 300
RUN_NUMBERS = itertools.count()
# What io/source_kafka.c gives librdkafka, so that the bare reader fetches as the engine does.
LIBRDKAFKA = {
    "enable.auto.commit": "false", "enable.auto.offset.store": "false", "auto.offset.reset": "error",
    "isolation.level": "read_committed", "check.crcs": "true", "enable.partition.eof": "true",
    "queued.min.messages": "20000", "queued.max.messages.kbytes": "16384", "fetch.queue.backoff.ms": "1", "fetch.max.bytes": "8388608",
    "fetch.min.bytes": "1", "fetch.wait.max.ms": "500", "max.partition.fetch.bytes": "2097152",
    "socket.receive.buffer.bytes": "1048576",
}
# A batch that is not full at the end of the topic would wait five seconds: that is not what is measured here.
SETTINGS = {
    "REDIS_FLUSH_INTERVAL_MS": "100", "BIGQUERY_FLUSH_INTERVAL_MS": "100", "ELASTICSEARCH_FLUSH_INTERVAL_MS": "100",
    "REDIS_WINDOW_TTL_SECONDS": "864000",
}


def stop(words: str) -> None:
    sys.exit(f"pipeline: {words}")


def stack_settings() -> dict[str, str]:
    text = subprocess.run([ROOT / "stack/stack.sh", "env"], check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def get(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.read().decode()
    except OSError:
        return None


def host() -> dict[str, Any]:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {"cpu": model[1] if model else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release(),
            "load_before": os.getloadavg()[0]}


class Cpu:
    """CPU seconds of a process: of all of it, and by name of its threads that still live."""

    def __init__(self, pid: int):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        self.total = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        self.groups: dict[str, float] = {}
        self.switches: dict[str, int] = {}
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                name = re.sub(r"-?\d+$", "", (task / "comm").read_text().strip())
                name = "librdkafka" if name.startswith("rdk:") else name
                seconds = int((task / "schedstat").read_text().split()[0]) / 1e9
                switches = int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", (task / "status").read_text(), re.M)[1])
            except (OSError, TypeError):
                continue
            self.groups[name] = self.groups.get(name, 0) + seconds
            self.switches[name] = self.switches.get(name, 0) + switches
        self.groups["ended threads"] = max(0.0, self.total - sum(self.groups.values()))


def peak_rss(pid: int) -> int:
    return 1024 * int(re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def service_pid(name: str) -> int | None:
    where = Path(os.environ.get("AB_STACK_DIR", ROOT / ".stack")) / "run" / f"{name}.pid"
    return int(where.read_text().split()[0]) if where.exists() else None


class Topic:
    """A topic with the same records for the same arguments; filled when it is not there."""

    def __init__(self, settings: dict[str, str], name: str):
        self.count = 0
        self.broker_pid = service_pid("kafka")
        self.brokers = settings["KAFKA_BOOTSTRAP_SERVERS"]
        self.name = name
        self.admin = AdminClient({"bootstrap.servers": self.brokers})
        if name not in self.admin.list_topics(timeout=10).topics:
            new = NewTopic(name, PARTITIONS, 1, config={"retention.bytes": "-1"})
            self.admin.create_topics([new])[name].result(30)
            time.sleep(1)

    def fill(self, build: Path, count: int, unwrapped: bool, *more: str) -> None:
        self.count = count
        reader = Consumer({"bootstrap.servers": self.brokers, "group.id": "bench"})
        ends = [reader.get_watermark_offsets(TopicPartition(self.name, p), timeout=10)[1] for p in range(PARTITIONS)]
        reader.close()
        if sum(ends) == 0:
            subprocess.run([build / "anabranch-loadgen", "run", "--target", "kafka", "--rate", "max", "--count", str(count),
                            "-s", f"KAFKA_BOOTSTRAP_SERVERS={self.brokers}", "-s", f"EVENTS_TOPIC={self.name}",
                            "-s", f"CONTENT_ROWS={CONTENTS}", "--event-ts", "now,1000",
                            "--shape", "unwrapped" if unwrapped else "unwrapped+schema", *more], check=True)
        elif sum(ends) != count:
            stop(f"topic {self.name} has {sum(ends)} records, not {count}: delete it")

    def delete(self) -> None:
        self.admin.delete_topics([self.name])[self.name].result(30)


def full_topic(settings: dict[str, str], build: Path, count: int, unwrapped: bool) -> Topic:
    topic = Topic(settings, f"bench.pipeline.{'bare' if unwrapped else 'wrapped'}.{count}")
    topic.fill(build, count, unwrapped)
    return topic


def seed_contents(build: Path, settings: dict[str, str]) -> None:
    """Those that the records point to; repeating it changes nothing."""
    with tempfile.NamedTemporaryFile("w") as env:
        env.write("".join(f"{key}={value}\n" for key, value in settings.items()))
        env.flush()
        subprocess.run([build / "anabranch-loadgen", "run", "-e", env.name, "--seed-contents", str(CONTENTS), "--count", "0",
                        "--quiet"], check=True, stdout=subprocess.DEVNULL)


class StubBroker:
    """Serves the topic's segments from the real broker's disk, so that the broker costs next to nothing."""

    def __init__(self, build: Path, topic: Topic, port: int):
        data = Path(os.environ.get("AB_STACK_DIR", ROOT / ".stack")) / "data/kafka"
        self.process = subprocess.Popen([build / "bench/stub_broker", str(port), data, topic.name])
        atexit.register(self.process.kill)
        topic.brokers = f"127.0.0.1:{port}"
        topic.broker_pid = self.process.pid
        time.sleep(1)


class Stubs:
    def __init__(self, build: Path, port: int):
        self.port = port
        self.process = subprocess.Popen([build / "bench/stub_sinks", str(port)])
        atexit.register(self.process.kill)
        until(lambda: self.look() is not None, 5, "stub sinks")

    def look(self) -> dict[str, Any] | None:
        text = get(f"http://127.0.0.1:{self.port + 3}/")
        return json.loads(text) if text else None

    def settings(self, real_redis: bool) -> dict[str, str]:
        there = {"ELASTICSEARCH_HOST": "127.0.0.1", "ELASTICSEARCH_PORT": str(self.port + 1),
                 "BIGQUERY_HOST": "127.0.0.1", "BIGQUERY_PORT": str(self.port + 2)}
        return there if real_redis else there | {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.port)}


def until(condition: Any, seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            stop(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)


def metric_sum(text: str, name: str) -> float:
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(name + r"[{ ]", line))


class Run:
    """One run of the engine over the whole topic."""

    def __init__(self, options: argparse.Namespace, build: Path, topic: Topic, settings: dict[str, str]):
        self.options, self.build, self.topic = options, build, topic
        self.name = f"bench_{os.getpid()}_{next(RUN_NUMBERS)}"
        self.stubs = None if options.sinks == "real" else Stubs(build, options.port)
        self.work = tempfile.TemporaryDirectory()
        self.metrics = f"http://127.0.0.1:{options.port + 9}/metrics"
        self.env = settings | SETTINGS | {
            "KAFKA_BOOTSTRAP_SERVERS": topic.brokers,
            "METRICS_PORT": str(options.port + 9), "EVENTS_TOPIC": topic.name, "GROUP_ID": self.name,
            "DEAD_LETTER_TOPIC": f"{topic.name}.dead", "BIGQUERY_TABLE": self.name,
            "SINKS": "redis,bigquery,elasticsearch",
        }
        if self.stubs is not None:
            self.env |= self.stubs.settings(options.sinks == "real-redis")
        self.env |= dict(pair.split("=", 1) for pair in options.set)
        self.env_file = Path(self.work.name) / "env"
        self.env_file.write_text("".join(f"{key}={value}\n" for key, value in self.env.items()))

    def anabranch(self, verb: str) -> list[str]:
        return [*self.options.under.split(), str(self.build / "anabranch"), verb, "-e", str(self.env_file)]

    def clean(self) -> dict[str, str]:
        """The environment wins over a file, so the stack's own names must not be in it."""
        return {key: value for key, value in os.environ.items() if key not in self.env}

    def done(self) -> bool:
        if self.engine.poll() is not None:
            stop(f"the engine ended by itself:\n{self.log()}")
        if not self.all_seen():
            return False
        text = get(self.metrics) or ""
        self.records = metric_sum(text, "anabranch_source_records_total")
        if self.records > 0 and self.begin is None:
            self.begin = time.monotonic()
        return metric_sum(text, "anabranch_committed_offset") >= self.topic.count

    def all_seen(self) -> bool:
        """Asked of the stubs, where there are any: a scrape of the engine costs it half a millisecond, and twenty a second
        are no one's scrape interval."""
        seen = self.stubs.look() if self.stubs is not None else None
        return self.stubs is None or (seen is not None and min(seen["es_created"], seen["bq_rows"]) >= self.topic.count)

    def log(self) -> str:
        return "\n".join((Path(self.work.name) / "log").read_text().splitlines()[-14:])

    def go(self) -> dict[str, Any]:
        if self.options.sinks != "stub":
            subprocess.run(["redis-cli", "-p", self.env["REDIS_PORT"], "FLUSHALL"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(self.anabranch("init"), check=True, env=self.clean(), stdout=subprocess.DEVNULL)
        bound = subprocess.run(self.anabranch("check"), env=self.clean(), capture_output=True, text=True).stdout
        neighbours = {name: pid for name in ("kafka", "redis", "elasticsearch", "bigquery") if (pid := service_pid(name))}
        if self.stubs is not None:
            neighbours = {"kafka": self.topic.broker_pid, "stubs": self.stubs.process.pid} | (
                {"redis": neighbours["redis"]} if self.options.sinks == "real-redis" else {})
        before = {name: Cpu(pid).total for name, pid in neighbours.items()}
        self.begin = None
        started = time.monotonic()
        with (Path(self.work.name) / "log").open("w") as log:
            self.engine = subprocess.Popen(self.anabranch("run"), env=self.clean(), stderr=log)
        try:
            until(self.done, RUN_SECONDS, "the topic's end")
            end = time.monotonic()
            cpu, rss = Cpu(self.engine.pid), peak_rss(self.engine.pid)
            around = {name: Cpu(pid).total - before[name] for name, pid in neighbours.items()}
            seen = self.stubs.look() if self.stubs else None
        finally:
            self.engine.send_signal(signal.SIGTERM)
            self.engine.wait(30)
            if self.stubs is not None:
                self.stubs.process.kill()
                self.stubs.process.wait()
        seconds = (seen["last_ns"] - seen["first_ns"]) / 1e9 if seen else end - (self.begin or started)
        self.judge(seen)
        millions = self.topic.count / 1e6
        return {
            "records": self.topic.count, "seconds": seconds, "per_second": self.topic.count / seconds,
            "cpu_per_million": cpu.total / millions,
            "cpu_by_thread": {name: value / millions for name, value in sorted(cpu.groups.items())},
            "sleeps_per_million": {name: round(value / millions) for name, value in sorted(cpu.switches.items())},
            "neighbours_cpu_per_million": {name: value / millions for name, value in around.items()},
            "rss_bytes": rss, "bound_bytes": int(re.search(r"^\s*sum\s+(\d+)", bound, re.M)[1]),
            "stubs": seen, "log": self.log().splitlines(),
        }

    def judge(self, seen: dict[str, Any] | None) -> None:
        """Lost or doubled, or anything a sink would not have taken: then there is no time to tell."""
        if seen is None:
            return
        n, wrong = self.topic.count, []
        if seen["bad"]:
            wrong.append(seen["words"])
        if seen["es_created"] != n or seen["es_conflicts"]:
            wrong.append(f"Elasticsearch has {seen['es_created']} of {n}, {seen['es_conflicts']} came twice")
        if seen["bq_rows"] != n or seen["bq_doubled"]:
            wrong.append(f"BigQuery has {seen['bq_rows']} of {n}, {seen['bq_doubled']} doubled")
        if self.options.sinks == "stub" and (seen["redis_events"] != n or seen["redis_mix"] or seen["redis_dup"]):
            wrong.append(f"Redis counted {seen['redis_events']} of {n}, {seen['redis_dup']} again, {seen['redis_mix']} astray")
        if wrong:
            stop("; ".join(wrong) + f"\n{self.log()}")


def bare(options: argparse.Namespace, build: Path, topic: Topic, consumers: int = 1) -> dict[str, Any]:
    properties = LIBRDKAFKA | {"bootstrap.servers": topic.brokers, "group.id": f"bare_{os.getpid()}"}
    done = subprocess.run([build / "bench/bare_reader", topic.name, str(PARTITIONS), str(topic.count), str(options.workers),
                           str(consumers), *(f"{key}={value}" for key, value in properties.items())],
                          check=True, capture_output=True, text=True, timeout=RUN_SECONDS)
    one = json.loads(done.stdout)
    return one | {"per_second": one["records"] / one["seconds"], "cpu_per_million": one["cpu_seconds"] / topic.count * 1e6}


def middle(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def upper_quartile(values: list[float]) -> float:
    return statistics.quantiles(values, n=4)[2] if len(values) > 1 else values[0]


def show(name: str, runs: list[dict[str, Any]]) -> None:
    print(f"\n{name}: {len(runs)} run(s), median (least to most)")
    print(f"  thousand records/s       {middle([r['per_second'] / 1e3 for r in runs])}")
    print(f"  CPU s per million        {middle([r['cpu_per_million'] for r in runs])}")
    for group in runs[0].get("cpu_by_thread", {}):
        sleeps = statistics.median(r["sleeps_per_million"].get(group, 0) for r in runs)
        print(f"    {group:22} {middle([r['cpu_by_thread'].get(group, 0) for r in runs])}   {sleeps:.0f} sleeps per million")
    for group in runs[0].get("neighbours_cpu_per_million", {}):
        print(f"  beside it: {group:13} {middle([r['neighbours_cpu_per_million'][group] for r in runs])}")
    if "rss_bytes" in runs[0]:
        print(f"  RSS, bound (MB)          {middle([r['rss_bytes'] / 1e6 for r in runs])}, {runs[0]['bound_bytes'] / 1e6:.1f}")


def options_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--unwrapped", action="store_true")
    parser.add_argument("--sinks", choices=["stub", "real-redis", "real"], default="stub")
    parser.add_argument("--broker", choices=["real", "stub"], default="real", help="stub: the topic's segments, from memory")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--bare", action="store_true", help="a bare librdkafka reader beside each run")
    parser.add_argument("--readers", action="store_true", help="bare readers alone: one consumer against one a thread")
    parser.add_argument("--workers", type=int, default=1, help="threads of the bare reader")
    parser.add_argument("--engine", action="append", default=[], help="a build folder (build/release); may be repeated")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the engine")
    parser.add_argument("--under", default="", help="run the engine under this command")
    parser.add_argument("--port", type=int, default=17700, help="of the stubs and the engine's metrics, ten from here")
    parser.add_argument("--json", type=Path, help="write all of it there")
    return parser.parse_args()


def compare_readers(options: argparse.Namespace, build: Path, topic: Topic) -> None:
    runs: dict[int, list[dict[str, Any]]] = {1: [], options.workers: []}
    for _ in range(options.runs):
        for consumers in runs:
            runs[consumers].append(bare(options, build, topic, consumers))
    for consumers, of in runs.items():
        show(f"bare reader, {options.workers} thread(s), {consumers} consumer(s)", of)
    for what in ("cpu_per_million", "per_second"):
        print(f"  {what}, one each / shared  {middle([b[what] / a[what] for a, b in zip(runs[1], runs[options.workers])])}")


def main() -> None:
    options = options_of()
    builds = [Path(where) for where in options.engine] or [ROOT / "build/release"]
    settings = stack_settings()
    result: dict[str, Any] = {"host": host(), "command": sys.argv, "engines": {str(b): [] for b in builds}, "bare": []}
    topic = full_topic(settings, builds[0], options.records, options.unwrapped)
    if options.readers:
        compare_readers(options, builds[0], topic)
        return
    seed_contents(builds[0], settings)
    if options.broker == "stub":
        broker = StubBroker(builds[0], topic, options.port + 8)
        result["broker_pid"] = broker.process.pid
    for _ in range(options.runs):
        if options.bare:
            result["bare"].append(bare(options, builds[0], topic))
        for build in builds:
            result["engines"][str(build)].append(Run(options, build, topic, settings).go())
    if options.bare:
        show(f"bare reader, {options.workers} thread(s)", result["bare"])
    for build, runs in result["engines"].items():
        show(f"{build} into {options.sinks}", runs)
        if options.bare:
            ratios = [r["cpu_per_million"] / b["cpu_per_million"] for r, b in zip(runs, result["bare"])]
            print(f"  CPU against bare         {middle(ratios)}, upper quartile {upper_quartile(ratios):.2f}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
