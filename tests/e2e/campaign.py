"""The fault matrix in numbers: bounded pieces of work, each on topics of its own, whose counts are added up over many runs.

    tests/faults --long [--row NAME] [--seconds N]     runs pieces until the time is over, adds what they counted
    tests/faults --row 1-stub --events 2000000         one piece of more events than the row's own
    tests/faults --table                               target, reached, ratio, command, over all runs so far

A piece ends with the comparison of every sink with the oracle; a difference is counted, told, and fails the run.
"""

import argparse
import copy
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pieces
from cluster import Cluster
from pieces import Piece
from services import ROOT, Kafka, Services, free_port, stack, until

RESULTS = Path(os.environ.get("AB_FAULTS_RESULTS", ROOT / "build/faults.jsonl"))


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    run: Callable[[Piece, int], None]
    events: int  # of one piece, or of one second
    sinks: str
    targets: dict[str, int]
    stub: bool = False  # the row keeper is BigQuery
    source: bool = False  # rows come through PostgreSQL and Debezium
    cluster: bool = False  # three brokers of its own

    def services(self) -> set[str]:
        needed = {"postgres", "kafka", "redis", *self.sinks.split(","), *(["connect"] if self.source else [])}
        return needed - ({"bigquery"} if self.stub else set())


ROWS = [
    Row("1", "kill -9 of the engine, Redis and Elasticsearch", pieces.kill_engine, 500_000, "redis,elasticsearch",
        {"kills": 200, "events": 10_000_000}),
    Row("1-redis", "kill -9 of the engine, Redis alone at full speed", pieces.kill_engine, 1_000_000, "redis",
        {"kills": 200, "events": 10_000_000}),
    Row("1-stub", "kill -9 of the engine, Redis and the row keeper", pieces.kill_engine, 300_000, "redis,bigquery",
        {"kills": 200, "events": 10_000_000}, stub=True),
    Row("1-emulator", "kill -9 of the engine, all sinks, the emulator", pieces.kill_engine, 20_000,
        "redis,elasticsearch,bigquery", {"kills": 20, "events": 200_000}),
    Row("2", "lost answers", pieces.lost_answers, 30_000, "redis,elasticsearch,bigquery",
        {"redis lost answer": 10_000, "elasticsearch lost answer": 10_000, "bigquery lost answer": 10_000}, stub=True),
    Row("3", "late requests", pieces.late_requests, 10_000, "redis,elasticsearch,bigquery",
        {"redis late request": 1_000, "elasticsearch late request": 1_000, "bigquery late request": 1_000}, stub=True),
    Row("2+3", "every kind of fault at once", pieces.every_fault, 10_000, "redis,elasticsearch,bigquery",
        {"events": 100_000}, stub=True),
    Row("4", "engines frozen beyond their session", pieces.zombies, 3_000, "redis,elasticsearch", {"zombies": 200}),
    Row("7-aof", "kill -9 of Redis with append-only file", pieces.killed("redis", 10), 5_000, "redis,elasticsearch",
        {"redis kills": 10}),
    Row("7-snapshot", "kill -9 of Redis with snapshots only", pieces.redis_snapshots, 200_000, "redis",
        {"snapshot redis kills": 10}),
    Row("8", "kill -9 of Elasticsearch", pieces.killed("elasticsearch", 5), 500, "redis,elasticsearch",
        {"elasticsearch kills": 10}),
    Row("9", "kill -9 of the BigQuery emulator", pieces.killed("bigquery", 5), 300, "redis,bigquery",
        {"bigquery kills": 10}),
    Row("10", "kill -9 of the only broker", pieces.killed("kafka", 5), 5_000, "redis,elasticsearch",
        {"kafka kills": 10}),
    Row("10-three", "kill -9 of a broker of three", pieces.broker_of_three(5), 3_000, "redis,elasticsearch",
        {"broker of three kills": 10}, cluster=True),
    Row("13-connect", "kill -9 of Connect", pieces.source_killed("connect", 3), 1_500, "redis,elasticsearch",
        {"connect kills": 10}, source=True),
    Row("13-postgres", "kill -9 of PostgreSQL", pieces.source_killed("postgres", 5), 1_500, "redis,elasticsearch",
        {"postgres kills": 10}, source=True),
    Row("14", "poison, one in a thousand, and kills", pieces.poison, 300_000, "redis,elasticsearch",
        {"poison records": 1_000}),
    Row("14-all", "nothing but poison", pieces.all_poison, 100_000, "redis,elasticsearch,bigquery",
        {"breakers opened": 30}, stub=True),
]


# --- running and adding up --------------------------------------------------------------------------------------------


def start_stub() -> tuple[int, subprocess.Popen[bytes]]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(Path(__file__).parent / "row_keeper.py"), str(port)])

    def answers() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    until("the row keeper", 20, answers)
    return port, process


def run_piece(services: Services, row: Row, seed: int) -> Counter[str]:
    stub, process = start_stub() if row.stub else (0, None)
    services, cluster = copy.copy(services), None
    with tempfile.TemporaryDirectory(prefix="faults") as directory:
        try:
            if row.cluster:
                cluster = Cluster(Path(directory))
                services.kafka = Kafka(cluster.brokers, replicas=3)
                services.environment = services.environment | {"KAFKA_BOOTSTRAP_SERVERS": cluster.brokers}
            return run_in(Piece(services, Path(directory), row.sinks, seed, stub, row.source, cluster), row)
        finally:
            if cluster is not None:
                cluster.close()
            if process is not None:
                process.kill()


def run_in(piece: Piece, row: Row) -> Counter[str]:
    try:
        row.run(piece, row.events)
    except AssertionError:
        for engine in piece.lab.engines:
            print(f"--- {engine.name}\n{engine.log_tail(60)}")
        raise
    finally:
        piece.lab.close()
    return piece.counts


def run_rows(rows: list[Row], seconds: float, again: bool) -> int:
    needed = sorted(set().union(*(row.services() for row in rows)))
    stack("up", *needed)
    # Without Connect the rest of it is there all the same.
    stack("create", check="connect" in needed)
    services = Services()
    end = time.monotonic() + seconds
    different = 0
    longest: dict[str, float] = {}
    while True:
        for row in rows:
            begin = time.monotonic()
            if begin + longest.get(row.name, 0) > end:
                return different
            seed = random.SystemRandom().randrange(10**9)
            counts = run_piece(services, row, seed)
            took = time.monotonic() - begin
            longest[row.name] = max(longest.get(row.name, 0), took)
            different += counts["different"]
            line = {"row": row.name, "seed": seed, "seconds": round(took, 1), "load": round(os.getloadavg()[0], 1),
                    "counts": counts}
            RESULTS.parent.mkdir(parents=True, exist_ok=True)
            with RESULTS.open("a") as results:
                results.write(json.dumps(line) + "\n")
            told = ", ".join(f"{name} {number}" for name, number in counts.items() if number)
            print(f"row {row.name}: {took:.0f} s: {told or 'nothing'}", flush=True)
        if not again:
            return different


def table() -> str:
    sums: dict[str, Counter[str]] = {}
    for line in RESULTS.read_text().splitlines() if RESULTS.exists() else []:
        one = json.loads(line)
        sums.setdefault(one["row"], Counter()).update(one["counts"] | {"runs": 1})
    lines = ["| row | what | target | reached | ratio | different | command |", "|---|---|---|---|---|---|---|"]
    for row in ROWS:
        found = sums.get(row.name, Counter())
        for name, target in row.targets.items():
            reached = found[name]
            different = found["different"] if found["runs"] else "not tried"
            lines.append(
                f"| {row.name} | {row.what}: {name} | {target:,} | {reached:,} | {reached / target:.2f} | {different}"
                f" | `tests/faults --long --row {row.name}` |"
            )
        more = ", ".join(f"{n} {v:,}" for n, v in sorted(found.items()) if v and n not in row.targets)
        if more:
            lines.append(f"| | also counted: {more} | | | | | |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/faults", description="The fault matrix on the real neighbours.")
    parser.add_argument("--long", action="store_true", help="again and again until --seconds are over")
    parser.add_argument("--row", action="append", choices=[row.name for row in ROWS], help="only this one (repeatable)")
    parser.add_argument("--seconds", type=float, default=3600, help="begin no piece that would not end by then (3600)")
    parser.add_argument("--events", type=int, help="of one piece, or of one second where rows flow: instead of the row's own")
    parser.add_argument("--table", action="store_true", help="only print what was counted so far")
    given = parser.parse_args()
    different = 0
    if not given.table:
        rows = [row for row in ROWS if not given.row or row.name in given.row]
        rows = [replace(row, events=given.events or row.events) for row in rows]
        different = run_rows(rows, given.seconds, given.long)
    print(table())
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
