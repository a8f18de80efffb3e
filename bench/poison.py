#!/usr/bin/env python3
"""What one record in a thousand that nobody can read costs: a clean topic and a poisoned one, drained in turn.

    bench/poison.py                       300,000 records each, five times each, into three stub sinks
    bench/poison.py --sinks real-redis    real Redis, the others stubs

Needs what bench/pipeline.py needs. The two topics have the same records, but for the poison. Told, as median
(least to most): the rate of each, the engine's CPU for each (which a loaded host changes less), and in each pair the
poisoned one's rate in percent of the clean one's, and the clean one's CPU in percent of the poisoned one's. A record that
is neither in every sink nor a dead letter ends the bench.
"""
import argparse
from pathlib import Path
from typing import Any

import pipeline
from confluent_kafka import Consumer, TopicPartition

SHARE = "0.001"


def letters(brokers: str, topic: str) -> int:
    """Dead letters of different records: a sink that reads for itself for a while may write one again."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "bench", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    keys = set()
    while (message := consumer.poll(10)) is not None and message.error() is None:
        keys.add(message.key())
    consumer.close()
    return len(keys)


class Run(pipeline.Run):
    """One that knows how many of the records nobody gets."""

    def judge(self, seen: dict[str, Any] | None) -> None:
        whole = self.topic.count
        self.letters = letters(self.topic.brokers, self.env["DEAD_LETTER_TOPIC"])
        self.topic.count = whole - self.letters
        try:
            super().judge(seen)
        finally:
            self.topic.count = whole


def filled(settings: dict[str, str], build: Path, count: int, *more: str) -> pipeline.Topic:
    topic = pipeline.Topic(settings, f"bench.poison.{'poisoned' if more else 'clean'}.{count}")
    topic.fill(build, count, True, *more)
    return topic


def options_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sinks", choices=["stub", "real-redis"], default="stub")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the engine")
    parser.add_argument("--engine", type=Path, default=pipeline.ROOT / "build/release")
    parser.add_argument("--port", type=int, default=17700)
    options = parser.parse_args()
    options.under = ""
    return options


def main() -> None:
    options = options_of()
    settings = pipeline.stack_settings()
    topics = [filled(settings, options.engine, options.records, *more) for more in ((), ("--poison", SHARE))]
    pipeline.seed_contents(options.engine, settings)
    runs: list[list[dict[str, Any]]] = [[], []]
    dead = 0
    for _ in range(options.runs):
        for one, topic in zip(runs, topics, strict=True):
            run = Run(options, options.engine, topic, settings)
            one.append(run.go())
            dead = run.letters
    print(f"host: {pipeline.host()}; {dead} of {options.records} records are poison")
    for name, one in zip(("clean", "poisoned"), runs, strict=True):
        print(f"{name:9} thousand records/s  {pipeline.middle([r['per_second'] / 1e3 for r in one])}"
              f"   CPU s per million  {pipeline.middle([r['cpu_per_million'] for r in one])}")
    pairs = list(zip(*runs, strict=True))
    rates = [100 * poisoned["per_second"] / clean["per_second"] for clean, poisoned in pairs]
    costs = [100 * clean["cpu_per_million"] / poisoned["cpu_per_million"] for clean, poisoned in pairs]
    print(f"in percent: rate {pipeline.middle(rates)}, CPU {pipeline.middle(costs)}")


if __name__ == "__main__":
    main()
