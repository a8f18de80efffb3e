"""The engine's /metrics, as numbers."""

import re
import urllib.request
from collections.abc import Iterator

LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
# What lanes and links of one sink can hold at the default settings: 4 lanes, 4 chunks of 64 KiB of records of 70 bytes
# and more each, and two batches of 10,000.
IN_FLIGHT_MOST = 150_000
LABEL = re.compile(r'(\w+)="([^"]*)"')


class Metrics:
    def __init__(self, text: str) -> None:
        self.samples: dict[str, list[tuple[dict[str, str], float]]] = {}
        for line in text.splitlines():
            found = LINE.match(line)
            if found:
                labels = dict(LABEL.findall(found[2] or ""))
                self.samples.setdefault(found[1], []).append((labels, float(found[3])))

    def each(self, name: str, **labels: str) -> Iterator[tuple[dict[str, str], float]]:
        for found, value in self.samples.get("anabranch_" + name, []):
            if labels.items() <= found.items():
                yield found, value

    def sum(self, name: str, **labels: str) -> float:
        return sum(value for _, value in self.each(name, **labels))

    def acked(self, sink: str) -> float:
        return self.sum("sink_events_total", sink=sink, outcome="acked")

    def in_flight(self) -> float:
        return self.sum("sink_inflight_requests")

    def offsets(self, name: str, **labels: str) -> dict[int, int]:
        """By partition."""
        return {int(found["partition"]): int(value) for found, value in self.each(name, **labels)}

    def positions(self, sink: str) -> dict[int, int]:
        return self.offsets("sink_position", sink=sink)

    def committed(self) -> dict[int, int]:
        return {int(labels["partition"]): int(value) for labels, value in self.each("committed_offset")}

    def sinks(self) -> set[str]:
        return {labels["sink"] for labels, _ in self.each("sink_up")}

    def group_offset_is_a_floor(self) -> None:
        """At any time: the group's offset is at or below every sink's position, in each partition."""
        for sink in self.sinks():
            positions = self.positions(sink)
            for partition, committed in self.committed().items():
                position = positions.get(partition, -1)
                if position >= 0 and committed >= 0:
                    assert committed <= position, f"{sink} is at {position} in {partition}, the group at {committed}"

    def ledgers(self) -> Iterator[tuple[str, str, dict[str, float]]]:
        """Of each sink and partition: what became of its records, each counted once."""
        found: dict[tuple[str, str], dict[str, float]] = {}
        for labels, value in self.each("sink_ledger_records"):
            found.setdefault((labels["sink"], labels["partition"]), {})[labels["account"]] = value
        for (sink, partition), accounts in found.items():
            yield sink, partition, accounts

    def ledgers_hold(self) -> None:
        """At any time: consumed = acked + dead + skipped + in flight, and no more is in flight than buffers can hold."""
        for sink, partition, accounts in self.ledgers():
            settled = sum(v for name, v in accounts.items() if name not in ("consumed", "in_flight"))
            where = f"{sink}, partition {partition}: {accounts}"
            assert accounts["consumed"] == settled + accounts["in_flight"], where
            assert 0 <= accounts["in_flight"] <= IN_FLIGHT_MOST, where

    def nothing_is_in_flight(self) -> None:
        """At rest: every record consumed has its outcome, in each partition of each sink."""
        for sink, partition, accounts in self.ledgers():
            assert accounts["in_flight"] == 0, f"{sink}, partition {partition}: {accounts}"

    def nothing_is_unaccounted(self, records: int) -> None:
        """At rest, in a first life that has read every record once: each has its outcome at each sink."""
        read = self.sum("source_records_total")
        for sink in self.sinks() if read == records else ():
            names = ("acked", "rejected", "skipped", "repeated")
            outcomes = {o: self.sum("sink_events_total", sink=sink, outcome=o) for o in names}
            outcomes["held"] = self.sum("sink_inflight_events", sink=sink)
            assert read == sum(outcomes.values()), f"{sink}: {read} records read, of them {outcomes}"


def read_metrics(port: int, seconds: float = 2.0) -> Metrics | None:
    """None: nobody answers, which is what a killed engine does."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=seconds) as answer:
            return Metrics(answer.read().decode())
    except OSError:
        return None
