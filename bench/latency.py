#!/usr/bin/env python3
"""How long from a record sent to Kafka until it is applied in Redis, in an open loop at a few rates.

    bench/latency.py                       idle (10/s), 1,000/s and 50,000/s, ten seconds each
    bench/latency.py --rates 10,1000 --seconds 30

A producer writes at the rate and notes when each record was due and when the broker had it; the stub Redis notes when each
batch came. Three sinks run, Redis without linger and with one lane, so that a batch says which records it has. From
"sent" the producer's and the broker's own time is in it; from "acked" only what comes after the broker has answered, so
the truth about "appended" lies between the two. Percentiles are of all events, in microseconds.
"""
import argparse
import json
import os
import subprocess
import tempfile
import time
from bisect import bisect_right
from pathlib import Path
from typing import Any

import pipeline


def applied(path: Path) -> dict[int, tuple[list[int], list[int]]]:
    """Per partition: the next offset after each batch, and when it came."""
    found: dict[int, tuple[list[int], list[int]]] = {}
    for line in path.read_text().splitlines():
        partition, following, at = (int(word) for word in line.split())
        nexts, times = found.setdefault(partition, ([], []))
        nexts.append(following)
        times.append(at)
    return found


def percentiles(values: list[float]) -> dict[str, float]:
    values.sort()
    return {f"p{p:g}": round(values[min(len(values) - 1, int(len(values) * p / 100))] / 1000, 1) for p in (50, 90, 99, 99.9)}


def join(sent: Path, log: Path) -> dict[str, Any]:
    came = applied(log)
    from_sent, from_acked = [], []
    for line in sent.read_text().splitlines():
        partition, offset, due, acked = (int(word) for word in line.split())
        nexts, times = came[partition]
        at = times[bisect_right(nexts, offset)]
        from_sent.append(at - due)
        from_acked.append(at - acked)
    return {"events": len(from_sent), "from_sent_us": percentiles(from_sent), "from_acked_us": percentiles(from_acked)}


def measure(options: argparse.Namespace, settings: dict[str, str], rate: str) -> dict[str, Any]:
    """One rate with a topic, an engine and stubs of its own."""
    work = tempfile.TemporaryDirectory()
    sent, log = Path(work.name) / "sent", Path(work.name) / "applied"
    os.environ["STUB_APPLIED"] = str(log)
    topic = pipeline.Topic(settings, f"bench.latency.{os.getpid()}.{rate}")
    run = pipeline.Run(options, options.engine, topic, settings)
    subprocess.run(run.anabranch("init"), check=True, env=run.clean(), stdout=subprocess.DEVNULL)
    with (Path(run.work.name) / "log").open("w") as words:
        engine = subprocess.Popen(run.anabranch("run"), env=run.clean(), stderr=words)
    try:
        ready = run.metrics.replace("/metrics", "/readyz")
        pipeline.until(lambda: (pipeline.get(ready) or "").startswith("ready\n"), 30, "the engine")
        subprocess.run([options.engine / "bench/pace", settings["KAFKA_BOOTSTRAP_SERVERS"], topic.name, rate,
                        str(options.seconds), "1", sent], check=True)
        time.sleep(2)
        run.stubs.look()
        return join(sent, log)
    finally:
        engine.terminate()
        engine.wait(30)
        run.stubs.process.kill()
        run.stubs.process.wait()
        topic.delete()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="10,1000,50000")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--engine", type=Path, default=pipeline.ROOT / "build/release")
    parser.add_argument("--port", type=int, default=17720)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.sinks, options.under = "stub", ""
    options.set = ["REDIS_FLUSH_INTERVAL_MS=0", "REDIS_SINK_PARALLELISM=1", "KAFKA_FETCH_MIN_BYTES=1", *options.set]
    settings = pipeline.stack_settings()
    pipeline.seed_contents(options.engine, settings)
    result: dict[str, Any] = {"host": pipeline.host(), "rates": {}}
    for rate in options.rates.split(","):
        result["rates"][rate] = measure(options, settings, rate)
        print(f"{rate}/s: {json.dumps(result['rates'][rate])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
