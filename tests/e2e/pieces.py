"""The pieces of work of the fault matrix: each breaks one thing again and again and counts how often. See campaign.py."""

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import oracle
import proxy
import row_keeper
from cluster import Cluster
from engine import Engine, Group
from lab import Lab, new_seed
from metrics import Metrics, read_metrics
from own_redis import OwnRedis
from proxy import Fault, Proxy
from services import Services, stack, until

MARKERS = {"redis": proxy.REDIS, "elasticsearch": proxy.ELASTICSEARCH, "bigquery": proxy.BIGQUERY}
SETTLE_SECONDS = 600.0
# Of one piece: each life repeats what the last one had not been answered, and a slow sink must come to an end.
KILLS_MOST = 30
NETWORK_SECONDS = 0.02
FAR_SECONDS = 0.2
# After a kill, until the kernel has closed the connections.
GONE_SECONDS = 0.1
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
        row_keeper.drop(self.port, self.table)


class NoTable:
    """For runs without BigQuery, which need not even have one."""

    def drop(self) -> None:
        pass


class Piece:
    """One run: its lab, a proxy before each sink, and what it counted."""

    def __init__(
        self, services: Services, directory: Path, sinks: str, seed: int, stub: int = 0, source: bool = False,
        cluster: Cluster | None = None,
    ) -> None:
        self.lab = Lab(services, directory, source)
        self.cluster = cluster
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

    def make_contents(self) -> None:
        """Those that records of this seed point to, before an engine loads them: no connector runs here."""
        self.lab.generate("--seed", str(self.seed), "--count", "0")

    @contextmanager
    def offered(self, rate: int) -> Iterator[None]:
        """So many records a second come meanwhile."""
        more = ["--rate", str(rate), "--duration", "3600", "--first-id", str(1 + IDS * self.fillings)]
        self.fillings += 1
        generator = self.lab.generate_beside(*self.lab.to_kafka(self.seed), *CHANGES, *more)
        yield
        assert generator.poll() is None, "the records ended too early"
        generator.terminate()
        generator.wait(60)

    def slow(self, seconds: float) -> None:
        """A network's delay: what has been applied and not answered is what a kill must not double."""
        for one in self.proxies.values():
            one.slow(seconds)

    def finish(self, engine: Engine | Group, seconds: float = SETTLE_SECONDS) -> None:
        """Settles, compares, counts. The log is read as a stream: a million records need no room."""
        lab = self.lab
        ends: dict[int, int] = {}
        expected = oracle.expect(lab.noting(ends), lab.contents(), lab.record_max_bytes, self.sinks)
        until(lambda: f"settled: {engine.log_tail()}", seconds, lambda: engine.has_settled(ends, self.sinks))
        report = lab.compared(expected)
        self.counts["events"] += expected.event_count
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


def has_begun(found: Metrics) -> bool:
    return found.sum("source_records_total") > 0 or (bool(found.committed()) and found.sum("source_lag_messages") == 0)


def is_read(engine: Engine) -> bool:
    return engine.metrics().sum("source_lag_messages") == 0


# --- the engine is killed ---------------------------------------------------------------------------------------------


def kill_engine(piece: Piece, events: int) -> None:
    """kill -9 at random moments under load. A kill that met no unanswered request is counted apart."""
    piece.fill(events, *(() if piece.sinks == {"redis"} else ("--transaction", "5000")))
    engine = piece.lab.engine(**piece.places, INSTANCE_ID="faults")
    engine.init()
    piece.slow(NETWORK_SECONDS)
    for sink in piece.sinks - {"elasticsearch"} if len(piece.sinks) > 1 else ():
        # Else these would have everything in the first life.
        piece.proxies[sink].slow(FAR_SECONDS)
    for _ in range(KILLS_MOST):
        engine.start(wait=False)
        until("the first records, or nothing left", 60, lambda: begun(engine), 0.01)
        # Alone, Redis takes a hundred thousand records a second.
        time.sleep(piece.random.uniform(0.0, 0.4 if piece.sinks == {"redis"} else 2.0))
        if is_read(engine):
            break
        died_with = kill_waiting(piece, engine)
        piece.counts["kills" if died_with > 0 else "kills at rest"] += 1
        piece.counts["requests without answer at a kill"] += died_with
    else:
        engine.start()
    piece.slow(0)
    piece.finish(engine)
    engine.stop()
    for sink, number in engine.duplicates.items():
        piece.counts[f"{sink} repeats refused or absorbed"] += int(number)


def begun(engine: Engine) -> bool:
    engine.assert_alive()
    found = read_metrics(engine.port)
    return found is not None and has_begun(found)


def kill_waiting(piece: Piece, engine: Engine) -> int:
    """Kills it when a request waits for its answer. From then on the network lets nothing through, since the kernel keeps
    a dead process's connections open for a while: what was without answer at the kill would get one."""
    proxies = piece.proxies.values()
    # A sink may have all there is while another is still behind.
    until("a request, or the end", 60, lambda: any(one.outstanding() for one in proxies) or is_read(engine), 0.0005)
    before = sum(one.unanswered for one in proxies)
    for one in proxies:
        one.silence(True)
    engine.kill()
    # Most connections have ended by then; a request that waits at the gate goes on, as on a slow network.
    time.sleep(GONE_SECONDS)
    for one in proxies:
        one.silence(False)
    until("the connections gone", 20, lambda: not any(one.connections for one in proxies), 0.01)
    return sum(one.unanswered for one in proxies) - before


def zombies(piece: Piece, rate: int) -> None:
    """Four engines while that many records a second come; three at a time are frozen for longer than their session, and
    the fourth goes on from their positions."""
    piece.make_contents()
    four = [piece.lab.another(**piece.places) for _ in range(4)]
    group = Group(*four)
    four[0].init()
    for one in four:
        one.start(wait=False)
    until("four share", 60, group.is_shared, 0.05)
    piece.slow(FAR_SECONDS)
    with piece.offered(rate):
        for turn in range(8):
            heir = four[turn % 4]
            frozen = [one for one in four if one is not heir]
            for one in frozen:
                until("requests in flight", 30, lambda f=one: f.metrics().in_flight() > 0, 0.002)
                one.signal(signal.SIGSTOP)
            until("the heir owns all", 60, lambda o=heir: len(o.partitions()) == 4, 0.05)
            time.sleep(piece.random.uniform(0.1, 1.0))
            for one in frozen:
                one.signal(signal.SIGCONT)
            until(lambda: f"they share again: {group.log_tail()}", 60, group.is_shared, 0.05)
            piece.counts["zombies"] += len(frozen)
    piece.slow(0)
    piece.finish(group)


# --- single requests --------------------------------------------------------------------------------------------------


def lost_answers(piece: Piece, events: int) -> None:
    # Not more often: a lane whose tries all fail waits longer and longer.
    spoiled(piece, events, Fault.LOST, every=3)


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
    """Small batches and many lanes, so that there are many requests."""
    piece.fill(events)
    lanes = {f"{sink}_SINK_PARALLELISM": 32 for sink in ("REDIS", "ELASTICSEARCH", "BIGQUERY")}
    engine = piece.lab.engine(
        **piece.places, **lanes, REDIS_BATCH_SIZE=10, REDIS_MAX_BUFFER_SIZE=20, ELASTICSEARCH_BATCH_SIZE=10,
        BIGQUERY_BATCH_SIZE=4, REDIS_FLUSH_INTERVAL_MS=20, ELASTICSEARCH_FLUSH_INTERVAL_MS=20,
    )
    engine.init()
    for one in piece.proxies.values():
        one.inject(fault, events, every=every, behind=behind)
    engine.start()
    piece.finish(engine)
    piece.counts["rewinds"] += engine.log().count("reading again from")
    engine.stop()


# --- a neighbour is killed --------------------------------------------------------------------------------------------


def neighbour(
    service: str, kills: int, kill: Callable[[Piece], None], bring_back: Callable[[Piece], None]
) -> Callable[[Piece, int], None]:
    def run(piece: Piece, rate: int) -> None:
        """kill -9 of the service, again and again, while that many records a second come; it comes back, the engine is
        not restarted."""
        piece.make_contents()
        engine = piece.lab.engine(**piece.places)
        engine.init()
        piece.slow(FAR_SECONDS)
        engine.start()
        sink = service if service in piece.sinks else "redis"
        with piece.offered(rate):
            for _ in range(kills):
                acked = engine.metrics().acked(sink)
                until(lambda: f"load: {engine.log_tail()}", 120, lambda a=acked: engine.metrics().acked(sink) > a + rate / 4, 0.02)
                kill(piece)
                time.sleep(piece.random.uniform(0.0, 2.0))
                bring_back(piece)
                piece.counts[f"{service} kills"] += 1
        piece.slow(0)
        piece.finish(engine)
        assert engine.starts == 1
        engine.stop()

    return run


def killed(service: str, kills: int) -> Callable[[Piece, int], None]:
    return neighbour(service, kills, lambda _: do("kill", service), lambda _: do("up", service))


def do(verb: str, *services: str) -> None:
    stack(verb, *services)


def broker_of_three(kills: int) -> Callable[[Piece, int], None]:
    """Every second kill hits the leader of a partition that is read, the others any broker. The next one waits until all
    replicas are in step again: two brokers are enough to write, one is not."""

    def kill(piece: Piece) -> None:
        assert piece.cluster is not None
        leader = piece.cluster.leader(piece.lab.events_topic, piece.random.randrange(4))
        number = leader if piece.random.random() < 0.5 else piece.random.randrange(3) + 1
        piece.counts["kills of a leader"] += number == leader
        piece.cluster.kill(number)

    def bring_back(piece: Piece) -> None:
        assert piece.cluster is not None
        piece.cluster.start()
        piece.cluster.wait_in_step()

    return neighbour("broker of three", kills, kill, bring_back)


def source_killed(service: str, kills: int) -> Callable[[Piece, int], None]:
    def run(piece: Piece, rate: int) -> None:
        """Rows come through PostgreSQL and Debezium; what PostgreSQL has must be in the log, each change once."""
        lab = piece.lab
        engine = lab.engine(**piece.places)
        engine.init()
        engine.start()
        before = lab.last_id()
        generator: subprocess.Popen[bytes] | None = None
        for _ in range(kills):
            if generator is None or generator.poll() is not None:
                generator = lab.generate_beside("--rate", str(rate), "--duration", "900", "--mix", "85:10:5", "--seed", new_seed())
            read = engine.metrics().sum("source_records_total")
            until("load", 120, lambda r=read: engine.metrics().sum("source_records_total") > r + rate, 0.02)
            time.sleep(piece.random.uniform(0.0, 2.0))
            stack("kill", service)
            if service == "postgres":
                generator.wait(60)  # its connections are gone with the server
            stack("up", service)
            stack("create")
            piece.counts[f"{service} kills"] += 1
        if generator is not None and generator.poll() is None:
            generator.terminate()
            generator.wait(30)
        lab.wait_for_all_rows(before)
        repeats = lab.changes_written_twice(before)
        piece.counts["changes written twice"] += repeats
        piece.counts["different"] += repeats
        piece.counts["rows"] += lab.last_id() - before
        piece.finish(engine)
        engine.stop()

    return run


def redis_snapshots(piece: Piece, events: int) -> None:
    """A Redis without append-only file, killed at random moments: it comes back from its last snapshot, with the
    positions of that moment, and the engine reads again from there. No restart of the engine."""
    own = OwnRedis(piece.lab.directory / "redis")
    piece.lab.closers.append(own.close)
    piece.lab.services.redis = own.asked
    piece.proxies["redis"].target = own.port
    piece.fill(events)
    engine = piece.lab.engine(**piece.places)
    engine.init()
    own.asked.client.save()
    engine.start()
    for turn in range(8):
        acked = engine.metrics().acked("redis")
        until("load", 60, lambda a=acked: engine.metrics().acked("redis") > a + 2000, 0.01)
        if turn % 2 == 0:
            own.asked.client.save()
        time.sleep(piece.random.uniform(0.0, 0.5))
        if is_read(engine):
            break
        own.kill()
        own.start()
        piece.lab.services.redis = own.asked
        piece.counts["snapshot redis kills"] += 1
    piece.finish(engine)
    piece.counts["rewinds"] += engine.log().count("reading again from")
    engine.stop()


# --- poison -----------------------------------------------------------------------------------------------------------


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


def all_poison(piece: Piece, events: int) -> None:
    """Not one record can be read by anybody: each sink stops, and the stream does not go into the dead letters."""
    lab = piece.lab
    piece.fill(events, "--poison", "1")
    engine = lab.engine(**piece.places)
    engine.init()
    engine.start(wait=False)  # the breakers may open before anybody has seen it ready
    until("all breakers", 60, lambda: engine.metrics().sum("breaker_open") == len(piece.sinks))
    time.sleep(1)
    found = engine.metrics()
    letters = {m.key() for m in lab.services.kafka.messages(lab.dead_letter_topic)}
    passed = sum(found.committed().values())
    print(f"{len(letters)} letters of {events} records, {passed} passed", flush=True)
    piece.counts["breakers opened"] += len(piece.sinks)
    piece.counts["events"] += events
    piece.counts["different"] += (len(letters) >= events) + (passed > len(letters)) + len(engine.violations)
    engine.stop()
