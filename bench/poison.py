#!/usr/bin/env python3
"""What one record in a thousand that nobody can read costs: a clean topic and a poisoned one, drained in turn.

    bench/poison.py                       300,000 records each, five times each, into three stub sinks
    bench/poison.py --sinks real-redis    real Redis, the others stubs

Needs what bench/pipeline.py needs. The two topics have the same records, but for the poison. Told: the rate of each,
median (least to most), and the share of the clean one's rate that the poisoned one reached in each pair. A record that is
neither in every sink nor a dead letter ends the bench.
"""
import argparse
from pathlib import Path
from typing import Any

import pipeline

SHARE = "0.001"


class Run(pipeline.Run):
    """One that knows how many of the records nobody gets."""

    def done(self) -> bool:
        text = pipeline.get(self.metrics) or ""
        self.letters = int(pipeline.metric_sum(text, "anabranch_dead_letters_total"))
        return super().done()

    def judge(self, seen: dict[str, Any] | None) -> None:
        whole = self.topic.count
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
    rates: list[list[float]] = [[], []]
    letters = 0
    for _ in range(options.runs):
        for one, topic in zip(rates, topics, strict=True):
            run = Run(options, options.engine, topic, settings)
            one.append(run.go()["per_second"])
            letters = run.letters
    clean, poisoned = rates
    print(f"host: {pipeline.host()}")
    print(f"clean, thousand records/s     {pipeline.middle([rate / 1e3 for rate in clean])}")
    print(f"poisoned                      {pipeline.middle([rate / 1e3 for rate in poisoned])}, {letters} dead letters a run")
    print(f"poisoned in percent of clean  {pipeline.middle([100 * p / c for p, c in zip(poisoned, clean, strict=True)])}")


if __name__ == "__main__":
    main()
