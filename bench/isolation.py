#!/usr/bin/env python3
"""What a silent or slow sink costs the others: a live stream at a fixed rate, one sink stopped in the middle of it.

    bench/isolation.py --rate 50000 --outage 20                     each sink silent in turn
    bench/isolation.py --rate 50000 --outage 20 --down              each refuses connections instead
    bench/isolation.py --rate 50000 --outage 20 --slow              each runs one tenth of the time instead
    bench/isolation.py --rate 50000 --sink redis --set DETACH_AFTER_MS=600000      without leaving: what it would cost

Needs PostgreSQL and Kafka (stack/stack.sh up postgres kafka && stack/stack.sh create postgres kafka) and build/release. The
sinks are stubs (bench/stub_sinks.c); the one that suffers is a process of its own, stopped by SIGSTOP: its connections stay
open and nobody answers (--down: by a signal at which it cuts them and refuses new ones). A run in which an event is lost or
doubled ends the bench.

Told for each sink: what the others acknowledged during the outage and while it caught up, in percent of what was offered in
that time (the same share before the outage is the baseline); how long it took from when an event was due to be written to
Kafka (bench/pace.c) until the others had it; the longest time for which one of them stood; how fast the one that suffered
caught up; the engine's memory; and its CPU before the outage, when it reads little at a time. Redis has one lane, so that a
batch says which records it has.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from latency import applied, percentiles  # noqa: E402
from pipeline import CONTENTS, PARTITIONS, ROOT, SETTINGS, Stubs, get, metric_sum, peak_rss, stack_settings, stop, until  # noqa: E402

SINKS = ("redis", "elasticsearch", "bigquery")
WARM_SECONDS, SETTLE_SECONDS, SAMPLE_SECONDS = 15.0, 3.0, 0.05
SLOW_RUN, SLOW_STAND = 0.01, 0.09
# Of one partition: ten minutes at 50,000 records/s are 4 GB.
RETENTION_BYTES = 8 << 30


def cpu_seconds(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Sample:
    def __init__(self, text: str):
        self.at = time.monotonic()
        self.acked = {s: metric_sum(text, rf'anabranch_sink_events_total\{{sink="{s}",outcome="acked"\}}') for s in SINKS}
        self.passed = {s: metric_sum(text, rf'anabranch_sink_position\{{sink="{s}"[^}}]*\}}') for s in SINKS}
        self.alone = {s: metric_sum(text, rf'anabranch_sink_reader\{{sink="{s}"\}}') == 1 for s in SINKS}


class Run:
    def __init__(self, options: argparse.Namespace, settings: dict[str, str], victim: str, number: int):
        from confluent_kafka.admin import AdminClient, NewTopic

        self.options, self.victim = options, victim
        self.others = [s for s in SINKS if s != victim]
        self.name = f"bench_isolation_{os.getpid()}_{number}"
        self.admin = AdminClient({"bootstrap.servers": settings["KAFKA_BOOTSTRAP_SERVERS"]})
        config = {"retention.bytes": str(RETENTION_BYTES)}
        self.admin.create_topics([NewTopic(self.name, PARTITIONS, 1, config=config)])[self.name].result(30)
        time.sleep(1)  # until the broker leads it
        build = Path(options.engine)
        self.work = tempfile.TemporaryDirectory()
        self.applied, self.items = Path(self.work.name) / "applied", Path(self.work.name) / "items"
        os.environ |= {"STUB_APPLIED": str(self.applied), "STUB_ITEMS": str(self.items)}
        self.stubs = Stubs(build, options.port)
        os.environ |= {"STUB_APPLIED": "/dev/null", "STUB_ITEMS": "/dev/null"}
        self.suffers = Stubs(build, options.port + 10)
        self.metrics = f"http://127.0.0.1:{options.port + 29}/metrics"
        theirs = self.suffers.settings(False)
        env = settings | SETTINGS | self.stubs.settings(False) | {
            "METRICS_PORT": str(options.port + 29), "EVENTS_TOPIC": self.name, "GROUP_ID": self.name,
            "DEAD_LETTER_TOPIC": f"{self.name}.dead", "BIGQUERY_TABLE": self.name, "SINKS": ",".join(SINKS),
            "REDIS_SINK_PARALLELISM": "1",
        } | {k: v for k, v in theirs.items() if k.startswith(victim.upper())}
        env |= dict(pair.split("=", 1) for pair in options.set)
        self.clean = {k: v for k, v in os.environ.items() if k not in env}
        self.env_file = Path(self.work.name) / "env"
        self.env_file.write_text("".join(f"{k}={v}\n" for k, v in env.items()))
        self.brokers = settings["KAFKA_BOOTSTRAP_SERVERS"]
        self.samples: list[Sample] = []
        self.build = build

    def look(self) -> Sample:
        text = get(self.metrics)
        if text is None:
            stop(f"the engine does not answer; its log: {(Path(self.work.name) / 'log').read_text()[-2000:]}")
        self.samples.append(Sample(text))
        return self.samples[-1]

    def watch(self, seconds: float, done: Any = lambda _: False) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not done(self.look()):
            time.sleep(SAMPLE_SECONDS)

    def suffer(self, seconds: float) -> None:
        pid, end = self.suffers.process.pid, time.monotonic() + seconds
        if self.options.down:
            os.kill(pid, signal.SIGUSR1)
            self.watch(seconds)
            os.kill(pid, signal.SIGUSR2)
            return
        if not self.options.slow:
            os.kill(pid, signal.SIGSTOP)
            self.watch(seconds)
        while self.options.slow and time.monotonic() < end:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(SLOW_STAND)
            os.kill(pid, signal.SIGCONT)
            time.sleep(SLOW_RUN)
            self.look()
        os.kill(pid, signal.SIGCONT)

    def share(self, begin: float, end: float, sink: str) -> float:
        """Acknowledged between the samples nearest to begin and end, in percent of what was offered."""
        first = min(self.samples, key=lambda s: abs(s.at - begin))
        last = min(self.samples, key=lambda s: abs(s.at - end))
        passed = last.passed[sink] - first.passed[sink]
        return 100 * passed / (self.options.rate * (last.at - first.at))

    def stood(self, begin: float, end: float) -> float:
        longest = 0.0
        for sink in self.others:
            since, seen = begin, -1.0
            for sample in self.samples:
                if not begin <= sample.at <= end:
                    continue
                if sample.passed[sink] != seen:
                    since, seen = sample.at, sample.passed[sink]
                longest = max(longest, sample.at - since)
        return longest

    def go(self) -> dict[str, Any]:
        run = [str(self.build / "anabranch")]
        subprocess.run([*run, "init", "-e", str(self.env_file)], check=True, env=self.clean, stdout=subprocess.DEVNULL)
        with (Path(self.work.name) / "log").open("w") as log:
            engine = subprocess.Popen([*run, "run", "-e", str(self.env_file)], env=self.clean, stderr=log)
        until(lambda: get(self.metrics) is not None, 30, "the engine")
        # Enough for the longest catching up that is waited for; what is not needed is not offered.
        seconds = 2 * WARM_SECONDS + 3 * self.options.outage + 10
        sent = Path(self.work.name) / "sent"
        offer = subprocess.Popen([self.build / "bench/pace", self.brokers, self.name, str(self.options.rate), str(seconds),
                                  "1", sent])
        try:
            self.watch(SETTLE_SECONDS)
            cpu, since = cpu_seconds(engine.pid), time.monotonic()
            self.watch(WARM_SECONDS - SETTLE_SECONDS)
            begin = time.monotonic()
            cpu = (cpu_seconds(engine.pid) - cpu) / ((begin - since) * self.options.rate) * 1e6
            rss = peak_rss(engine.pid)
            self.suffer(self.options.outage)
            back = time.monotonic()
            self.watch(2 * self.options.outage + WARM_SECONDS, lambda s: not s.alone[self.victim] and s.at > back + 3)
            joined = next((s.at for s in self.samples if s.at > back and not s.alone[self.victim]), None)
            result = self.tell(begin, back, joined, engine.pid, rss)
            end = time.monotonic()
            offer.terminate()
            offer.wait(120)
            total = self.written()
            until(lambda: self.look() and all(p >= total for p in self.samples[-1].passed.values()), 120, "the end")
            self.judge(total)
            phases = {"before": (begin - WARM_SECONDS + SETTLE_SECONDS, begin), "outage": (begin, back), "catch_up": (back, joined or end)}
            return result | {"cpu_per_million_before": cpu, "latency_us": self.latencies(sent, phases)}
        finally:
            offer.kill()
            engine.send_signal(signal.SIGTERM)
            engine.wait(30)
            for stubs in (self.stubs, self.suffers):
                stubs.process.kill()
                stubs.process.wait()
            self.admin.delete_topics([self.name])[self.name].result(30)

    def written(self) -> int:
        from confluent_kafka import Consumer, TopicPartition

        reader = Consumer({"bootstrap.servers": self.brokers, "group.id": "bench"})
        ends = [reader.get_watermark_offsets(TopicPartition(self.name, p), timeout=10)[1] for p in range(PARTITIONS)]
        reader.close()
        return sum(ends)

    def tell(self, begin: float, back: float, joined: float | None, pid: int, rss: int) -> dict[str, Any]:
        end = self.samples[-1].at
        left = next((s.at - begin for s in self.samples if s.at > begin and s.alone[self.victim]), None)
        caught = [s for s in self.samples if back <= s.at <= end and s.alone[self.victim]]
        pace = 0.0
        if len(caught) > 1:
            pace = (caught[-1].passed[self.victim] - caught[0].passed[self.victim]) / (caught[-1].at - caught[0].at)
        return {
            "sink": self.victim, "left_after_s": left, "joined_after_s": joined - back if joined else None,
            "before": {s: self.share(begin - WARM_SECONDS + SETTLE_SECONDS, begin, s) for s in self.others},
            "outage": {s: self.share(begin, back, s) for s in self.others},
            "catch_up": {s: self.share(back, end, s) for s in self.others},
            "stood_s": self.stood(begin, end), "catch_up_by_live": pace / self.options.rate,
            "rss_before_mb": rss / 1e6, "rss_mb": peak_rss(pid) / 1e6,
        }

    def latencies(self, sent: Path, phases: dict[str, tuple[float, float]]) -> dict[str, dict[str, dict[str, float]]]:
        """By sink and phase. An event belongs to the phase in which it was due."""
        due, place = {}, {}
        for number, line in enumerate(sent.read_text().splitlines(), 1):
            partition, offset, at, _ = (int(word) for word in line.split())
            due[number], place[number] = at, (partition, offset)
        came: dict[str, dict[int, int]] = {sink: {} for sink in self.others}
        for line in self.items.read_text().splitlines():
            sink, number, at = line.split()
            came[sink][int(number)] = int(at)
        if "redis" in self.others:
            batches = applied(self.applied)
            for number, (partition, offset) in place.items():
                nexts, times = batches[partition]
                came["redis"][number] = times[bisect_right(nexts, offset)]
        return {
            sink: {
                phase: percentiles([float(times[n] - at) for n, at in due.items() if begin <= at / 1e9 < end] or [0.0])
                for phase, (begin, end) in phases.items()
            }
            for sink, times in came.items()
        }

    def judge(self, total: int) -> None:
        wrong = []
        for stubs, of in ((self.stubs, self.others), (self.suffers, [self.victim])):
            seen = stubs.look() or {}
            if seen["bad"]:
                wrong.append(seen["words"])
            if "elasticsearch" in of and seen["es_created"] != total:
                wrong.append(f"Elasticsearch has {seen['es_created']} of {total}")
            if "bigquery" in of and seen["bq_rows"] - seen["bq_doubled"] != total:
                wrong.append(f"BigQuery has {seen['bq_rows']} of {total}, {seen['bq_doubled']} doubled")
            if "redis" in of and seen["redis_events"] != total:
                wrong.append(f"Redis counted {seen['redis_events']} of {total}")
        if wrong:
            stop("; ".join(wrong))


def show(one: dict[str, Any]) -> None:
    def shares(of: dict[str, float]) -> str:
        return ", ".join(f"{sink} {value:.1f} %" for sink, value in of.items())

    left, joined = one["left_after_s"], one["joined_after_s"]
    print(f"{one['sink']}: " + ("never left" if left is None else f"left after {left:.2f} s") + ", "
          + ("still alone at the end" if joined is None else f"live again {joined:.1f} s after it was back"))
    print(f"  others before    {shares(one['before'])}")
    print(f"  others meanwhile {shares(one['outage'])}")
    print(f"  in catch-up      {shares(one['catch_up'])}; it caught up at {one['catch_up_by_live']:.1f} times the live rate")
    for sink, of in one["latency_us"].items():
        print(f"  latency of {sink:13} " + "; ".join(
            f"{phase.replace('_', ' ')} p50 {found['p50'] / 1000:.1f}, p99 {found['p99'] / 1000:.1f} ms" for phase, found in of.items()))
    print(f"  one of them stood for {one['stood_s']:.2f} s at most; {one['rss_before_mb']:.0f} MB before, {one['rss_mb']:.0f} MB most; "
          f"{one['cpu_per_million_before']:.2f} CPU s per million before", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=50_000, help="records per second offered")
    parser.add_argument("--outage", type=float, default=20)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--down", action="store_true", help="it refuses connections, and does not only fall silent")
    how.add_argument("--slow", action="store_true", help="it runs one tenth of the time")
    parser.add_argument("--sink", action="append", default=[], choices=SINKS)
    parser.add_argument("--engine", default=str(ROOT / "build/release"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the engine")
    parser.add_argument("--port", type=int, default=17800)
    parser.add_argument("--json", type=Path, help="write all of it there")
    options = parser.parse_args()
    settings = stack_settings()
    postgres = [f"-s{key}={value}" for key, value in settings.items() if key.startswith("POSTGRES_")]
    subprocess.run([Path(options.engine) / "anabranch-loadgen", "run", "-e", "/dev/null", *postgres, "--seed-contents",
                    str(CONTENTS), "--count", "0", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    results = []
    for number, sink in enumerate(options.sink or SINKS):
        results.append(Run(options, settings, sink, number).go())
        show(results[-1])
    if options.json:
        options.json.write_text(json.dumps({"command": sys.argv, "runs": results}, indent=1))


if __name__ == "__main__":
    main()
