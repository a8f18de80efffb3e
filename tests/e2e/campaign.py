"""The fault matrix in numbers: bounded pieces of work, each on topics of its own, whose counts are added up over many runs.

    tests/faults --long [--row NAME] [--seconds N]     runs pieces until the time is over, adds what they counted
    tests/faults --table                               target, reached, ratio, command, over all runs so far

A piece ends with the comparison of every sink with the oracle; a difference is counted, told, and fails the run.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import compare
import oracle
import proxy
import row_keeper
from engine import Engine, Group
from lab import Lab
from metrics import Metrics
from proxy import Fault, Proxy
from services import ROOT, Redis, Services, free_port, stack, until

RESULTS = Path(os.environ.get("AB_FAULTS_RESULTS", ROOT / "build/faults.jsonl"))
MARKERS = {"redis": proxy.REDIS, "elasticsearch": proxy.ELASTICSEARCH, "bigquery": proxy.BIGQUERY}
SETTLE_SECONDS = 300.0
# Of one piece: each life repeats what the last one had not been answered, and a slow sink must come to an end.
KILLS_MOST = 30
FAR_SECONDS = 0.5
NETWORK_SECONDS = 0.02
CHANGES = ("--mix", "90:8:2", "--shape", "unwrapped")
# Room for the ids of one filling.
IDS = 100_000_000


class StubTable:
    """The row keeper, with the questions that a Lab asks of a table."""

    def __init__(self, port: int, table: str) -> None:
        self.port, self.table = port, table

    def rows(self) -> Iterator[dict[str, Any]]:
        return row_keeper.rows(self.port, self.table)

    def exact_rows(self) -> Iterator[dict[str, Any]]:
        """The view, by its definition: of each id the newest version, of equal ones the first; deleted ones hidden."""
        newest: dict[int, dict[str, Any]] = {}
        for row in self.rows():
            best = newest.get(int(row["id"]))
            rank = (int(row["version"]), -int(row["kafka_offset"]))
            if best is None or rank > (int(best["version"]), -int(best["kafka_offset"])):
                newest[int(row["id"])] = row
        return iter([row for row in newest.values() if row["deleted"] not in (True, "true")])

    def drop(self) -> None:
        socket.create_connection(("127.0.0.1", self.port), 5).close()
        row_keeper.drop(self.port, self.table)


class NoTable:
    """For runs without BigQuery, which need not even have one."""

    def drop(self) -> None:
        pass


class Piece:
    """One run: its lab, a proxy before each sink, and what it counted."""

    def __init__(self, services: Services, directory: Path, sinks: str, seed: int, stub: int = 0) -> None:
        self.lab = Lab(services, directory)
        self.random = random.Random(seed)
        self.seed = seed % 1_000_000
        self.fillings = 0
        self.counts: Counter[str] = Counter()
        self.sinks = set(sinks.split(","))
        self.proxies: dict[str, Proxy] = {}
        self.places: dict[str, str | int] = {"SINKS": sinks}
        if stub:
            self.lab.bigquery = StubTable(stub, self.lab.name)
        elif "bigquery" not in self.sinks:
            self.lab.bigquery = NoTable()
        for sink in sorted(self.sinks):
            key = f"{sink.upper()}_PORT"
            target = stub if stub and sink == "bigquery" else int(services.environment[key])
            self.proxies[sink] = Proxy(target, MARKERS[sink])
            self.places[key] = self.proxies[sink].port
            self.lab.closers.append(self.proxies[sink].close)

    def fill(self, events: int, *more: str) -> None:
        """Of one seed, so of one set of contents; each filling has ids of its own."""
        self.lab.prefill(events, *CHANGES, "--first-id", str(1 + IDS * self.fillings), *more, seed=self.seed)
        self.fillings += 1

    def finish(self, engine: Engine | Group) -> None:
        """Settles, compares, counts."""
        lab = self.lab
        if self.sinks == {"redis"}:
            report = self.counters_alone(engine)
        else:
            records = lab.settle(engine, self.sinks, SETTLE_SECONDS)
            report = lab.differences(records, self.sinks)
            self.counts["events"] += len(records)
        self.counts["floor violations"] += len(engine.violations)
        self.counts["bigquery rows doubled"] += report.duplicates
        for kind, number in report.counts.items():
            self.counts["different"] += number
            print(f"DIFFERENT {kind}: {number}: {report.examples[kind][:3]}")
        if report.counts:
            print(engine.log_tail(60))
        for sink, one in self.proxies.items():
            for fault, number in one.done.items():
                self.counts[f"{sink} {fault.value}"] += number
            self.counts[f"{sink} delivered late"] += one.delivered_late


    def counters_alone(self, engine: Engine | Group) -> compare.Report:
        """Of a topic without transactions, read as a stream: a million records need no room."""
        lab = self.lab
        ends = lab.services.kafka.ends(lab.events_topic)
        until(f"settled: {engine.log_tail()}", SETTLE_SECONDS, lambda: engine.has_settled(ends, self.sinks))
        expected, decoder = oracle.Expected(lab.contents()), oracle.Decoder()
        for record in lab.services.kafka.records(lab.events_topic):
            event = decoder.decode(record)
            self.counts["events"] += 1
            if event is not None and event.op in oracle.COUNTED:
                expected.count(event)
        return compare.compare_redis(expected, lab.services.redis.access(), lab.services.redis.engagement())


def has_begun(found: Metrics) -> bool:
    return found.sum("source_records_total") > 0 or (bool(found.committed()) and found.sum("source_lag_messages") == 0)


# --- the pieces -------------------------------------------------------------------------------------------------------


def kill_engine(piece: Piece, events: int) -> None:
    """kill -9 at random moments under load. A kill that met no unanswered request is counted apart."""
    piece.fill(events, *(() if piece.sinks == {"redis"} else ("--transaction", "5000")))
    engine = piece.lab.engine(**piece.places, INSTANCE_ID="faults")
    engine.init()
    for one in piece.proxies.values():
        # A network's delay: what has been applied and not answered is what a kill must not double.
        one.slow(NETWORK_SECONDS)
    for _ in range(KILLS_MOST):
        engine.start()
        until("the first records, or nothing left", 60, lambda: has_begun(engine.metrics()), 0.01)
        # Alone, Redis takes a hundred thousand records a second.
        time.sleep(piece.random.uniform(0.0, 0.4 if piece.sinks == {"redis"} else 2.0))
        if engine.metrics().sum("source_lag_messages") == 0:
            break
        before = sum(one.unanswered for one in piece.proxies.values())
        # A sink may have all there is while another is still behind.
        until("a request", 60, lambda: any(one.outstanding() for one in piece.proxies.values()), 0.0005)
        engine.kill()
        until("the connections gone", 20, lambda: not any(one.connections for one in piece.proxies.values()), 0.01)
        died_with = sum(one.unanswered for one in piece.proxies.values()) - before
        piece.counts["kills" if died_with > 0 else "kills at rest"] += 1
        piece.counts["requests without answer at a kill"] += died_with
    else:
        engine.start()
    piece.finish(engine)
    engine.stop()
    for sink, number in engine.duplicates.items():
        piece.counts[f"{sink} repeats refused or absorbed"] += int(number)


def lost_answers(piece: Piece, events: int) -> None:
    spoiled(piece, events, Fault.LOST, every=2)


def late_requests(piece: Piece, events: int) -> None:
    spoiled(piece, events, Fault.LATE, every=3, behind=4)


def every_fault(piece: Piece, events: int) -> None:
    """All kinds at once, on every sink."""
    for one in piece.proxies.values():
        for number, fault in enumerate(Fault):
            if fault is not Fault.BLACK_HOLE:
                one.inject(fault, events, every=11 + number, seconds=0.2, behind=3)
    spoiled(piece, events, Fault.DUPLICATE, every=7)


def spoiled(piece: Piece, events: int, fault: Fault, every: int, behind: int = 0) -> None:
    """Small batches, so that there are many requests."""
    piece.fill(events)
    engine = piece.lab.engine(
        **piece.places, REDIS_BATCH_SIZE=20, REDIS_MAX_BUFFER_SIZE=20, ELASTICSEARCH_BATCH_SIZE=20,
        BIGQUERY_BATCH_SIZE=50, REDIS_FLUSH_INTERVAL_MS=20, ELASTICSEARCH_FLUSH_INTERVAL_MS=20,
    )
    engine.init()
    for one in piece.proxies.values():
        one.inject(fault, events, every=every, behind=behind)
    engine.start()
    piece.finish(engine)
    piece.counts["rewinds"] += engine.log().count("reading again from")
    engine.stop()


def zombies(piece: Piece, events: int) -> None:
    """Two engines, frozen in turn for longer than their session while the other goes on from their positions."""
    piece.fill(events)
    pair = [piece.lab.another(**piece.places) for _ in range(2)]
    group = Group(*pair)
    pair[0].init()
    for one in pair:
        one.start(wait=False)
    until("two share", 60, group.is_shared, 0.05)
    for turn in range(4):
        frozen, other = pair[turn % 2], pair[1 - turn % 2]
        until("requests in flight", 30, lambda f=frozen: f.metrics().in_flight() > 0, 0.002)
        frozen.signal(signal.SIGSTOP)
        until("the heir owns all", 60, lambda o=other: len(o.partitions()) == 4, 0.05)
        time.sleep(piece.random.uniform(0.1, 1.0))
        frozen.signal(signal.SIGCONT)
        until(f"they share again: {group.log_tail()}", 60, group.is_shared, 0.05)
        piece.counts["zombies"] += 1
        piece.fill(events // 4)
    piece.finish(group)


def under_load(engine: Engine, sink: str, acked: float) -> bool:
    found = engine.metrics()
    return found.acked(sink) > acked or found.sum("source_lag_messages") == 0


def neighbour(service: str, kills: int) -> Callable[[Piece, int], None]:
    def run(piece: Piece, events: int) -> None:
        """kill -9 of the service, again and again under load; it comes back, the engine is not restarted."""
        piece.fill(events)
        engine = piece.lab.engine(**piece.places)
        engine.init()
        # A far network, so that the backlog lasts for all kills.
        for one in piece.proxies.values():
            one.slow(FAR_SECONDS)
        engine.start()
        sink = service if service in piece.sinks else "redis"
        for _ in range(kills):
            acked = engine.metrics().acked(sink)
            until(f"load: {engine.log_tail()}", 120, lambda a=acked: under_load(engine, sink, a + 500), 0.02)
            if engine.metrics().sum("source_lag_messages") == 0:
                break
            stack("kill", service)
            time.sleep(piece.random.uniform(0.0, 2.0))
            stack("up", service)
            piece.counts[f"{service} kills"] += 1
        for one in piece.proxies.values():
            one.slow(0)
        piece.finish(engine)
        assert engine.starts == 1
        engine.stop()

    return run


def redis_snapshots(piece: Piece, events: int) -> None:
    """A Redis without append-only file, killed at random moments: it comes back from its last snapshot, with the
    positions of that moment, and the engine reads again from there. No restart of the engine."""
    port, directory = free_port(), Path(tempfile.mkdtemp(prefix="redis", dir=piece.lab.directory))
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", "",
               "--appendonly", "no"]
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        until("redis", 20, lambda: ready(port))

    start()
    piece.lab.closers.append(lambda: running[-1].kill())
    piece.lab.services.redis = Redis(piece.lab.services.environment | {"REDIS_PORT": str(port)})
    piece.proxies["redis"].target = port
    piece.fill(events)
    engine = piece.lab.engine(**piece.places)
    engine.init()
    client = piece.lab.services.redis.client
    client.save()
    engine.start()
    for turn in range(8):
        acked = engine.metrics().acked("redis")
        until("load", 60, lambda a=acked: engine.metrics().acked("redis") > a + 2000, 0.01)
        if turn % 2 == 0:
            client.save()
        time.sleep(piece.random.uniform(0.0, 0.5))
        if engine.metrics().sum("source_lag_messages") == 0:
            break
        running[-1].kill()
        running[-1].wait()
        start()
        piece.counts["snapshot redis kills"] += 1
    piece.finish(engine)
    piece.counts["rewinds"] += engine.log().count("reading again from")
    engine.stop()


def ready(port: int) -> bool:
    try:
        return bool(Redis({"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port)}).client.ping())
    except Exception:  # noqa: BLE001 - loading, or not there yet
        return False


def poison(piece: Piece, events: int) -> None:
    """One record in a thousand can be read by nobody; kills in between."""
    lab = piece.lab
    piece.fill(events, "--poison", "0.001")
    engine = lab.engine(**piece.places, INSTANCE_ID="faults", BREAKER_SHARE=100)
    engine.init()
    for _ in range(3):
        engine.start()
        time.sleep(piece.random.uniform(0.5, 2.0))
        engine.kill()
        piece.counts["kills amid poison"] += 1
    engine.start()
    piece.finish(engine)
    piece.counts["poison records"] += len({m.key() for m in lab.services.kafka.messages(lab.dead_letter_topic)})
    engine.stop()


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    run: Callable[[Piece, int], None]
    events: int
    sinks: str
    targets: dict[str, int]
    stub: bool = False

    def services(self) -> set[str]:
        return {"postgres", "kafka", "redis", *self.sinks.split(",")} - ({"bigquery"} if self.stub else set())


ROWS = [
    Row("1", "kill -9 of the engine, Redis and Elasticsearch", kill_engine, 100_000, "redis,elasticsearch",
        {"kills": 200, "events": 10_000_000}),
    Row("1-redis", "kill -9 of the engine, Redis alone at full speed", kill_engine, 600_000, "redis",
        {"kills": 200, "events": 10_000_000}),
    Row("1-stub", "kill -9 of the engine, Redis and the row keeper", kill_engine, 150_000, "redis,bigquery",
        {"kills": 200, "events": 10_000_000}, stub=True),
    Row("1-emulator", "kill -9 of the engine, all sinks, the emulator", kill_engine, 50_000,
        "redis,elasticsearch,bigquery", {"kills": 20, "events": 200_000}),
    Row("2", "lost answers", lost_answers, 30_000, "redis,elasticsearch,bigquery",
        {"redis lost answer": 10_000, "elasticsearch lost answer": 10_000, "bigquery lost answer": 10_000}, stub=True),
    Row("3", "late requests", late_requests, 10_000, "redis,elasticsearch,bigquery",
        {"redis late request": 1_000, "elasticsearch late request": 1_000, "bigquery late request": 1_000}, stub=True),
    Row("2+3", "every kind of fault at once", every_fault, 10_000, "redis,elasticsearch,bigquery", {"events": 100_000},
        stub=True),
    Row("4", "engines frozen beyond their session", zombies, 60_000, "redis,elasticsearch", {"zombies": 200}),
    Row("7-aof", "kill -9 of Redis with append-only file", neighbour("redis", 10), 60_000, "redis,elasticsearch",
        {"redis kills": 10}),
    Row("7-snapshot", "kill -9 of Redis with snapshots only", redis_snapshots, 200_000, "redis",
        {"snapshot redis kills": 10}),
    Row("8", "kill -9 of Elasticsearch", neighbour("elasticsearch", 3), 40_000, "redis,elasticsearch",
        {"elasticsearch kills": 10}),
    Row("9", "kill -9 of the BigQuery emulator", neighbour("bigquery", 5), 30_000, "redis,bigquery",
        {"bigquery kills": 10}),
    Row("10", "kill -9 of the broker", neighbour("kafka", 10), 100_000, "redis,elasticsearch", {"kafka kills": 10}),
    Row("14", "poison, one in a thousand, and kills", poison, 100_000, "redis,elasticsearch",
        {"poison records": 1_000}),
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
    redis = services.redis
    with tempfile.TemporaryDirectory(prefix="faults") as directory:
        piece = Piece(services, Path(directory), row.sinks, seed, stub)
        try:
            row.run(piece, row.events)
        except AssertionError:
            for engine in piece.lab.engines:
                print(f"--- {engine.name}\n{engine.log_tail(60)}")
            raise
        finally:
            piece.lab.close()
            services.redis = redis
            if process is not None:
                process.kill()
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
            line = {"row": row.name, "seed": seed, "seconds": round(took, 1), "runs": 1, "counts": counts}
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
    parser.add_argument("--table", action="store_true", help="only print what was counted so far")
    given = parser.parse_args()
    different = 0
    if not given.table:
        rows = [row for row in ROWS if not given.row or row.name in given.row]
        different = run_rows(rows, given.seconds, given.long)
    print(table())
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
