"""One engine under test: its own env file, its own topics and group; killed, stopped, started again."""

import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from metrics import Metrics, read_metrics
from services import PARTITIONS, ROOT, until

READY_SECONDS = 60.0
# SIGTERM drains within 10 s, says the promise; the rest is for a loaded machine.
STOP_SECONDS = 15.0
SAMPLE_SECONDS = 0.25

# Small enough for a test to see the last record soon. Windows are kept ten days, so that sums can be compared.
DEFAULTS = {
    "REDIS_WINDOW_TTL_SECONDS": "315360000",
    "REDIS_FLUSH_INTERVAL_MS": "100",
    "BIGQUERY_FLUSH_INTERVAL_MS": "300",
    "ELASTICSEARCH_FLUSH_INTERVAL_MS": "300",
    "CHECKPOINT_INTERVAL_MS": "500",
    # Two workers, as a larger host has them, although this one may be good for one.
    "AB_CPUS": ",".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0))[:2]),
}


def binary(name: str) -> Path:
    """AB_BUILD_DIR names another build than the release one."""
    path = Path(os.environ.get("AB_BUILD_DIR", ROOT / "build/release")) / name
    assert path.exists(), f"{path} is not there: ./run.sh build makes it"
    return path


class Engine:
    def __init__(self, directory: Path, settings: dict[str, str], name: str = "engine", init_from: str = "") -> None:
        self.directory = directory
        self.name = name
        self.init_from = init_from
        self.settings = DEFAULTS | settings
        self.port = int(self.settings["METRICS_PORT"])
        self.env_file = directory / f"{name}.env"
        self.log_file = directory / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.duplicates: dict[str, float] = {}  # by sink, over all lives of the engine
        self.starts = 0
        self.last: Metrics | None = None
        self.violations: list[str] = []
        self.stop_sampling = threading.Event()
        self.sampler: threading.Thread | None = None
        self.write_env()

    def write_env(self) -> None:
        self.env_file.write_text("".join(f"{key}={value}\n" for key, value in sorted(self.settings.items())))

    def environment(self) -> dict[str, str]:
        """The settings come from the file alone."""
        kept = ("PATH", "HOME", "LANG", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
        return {key: value for key, value in os.environ.items() if key in kept}

    def command(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [str(binary("anabranch")), *arguments, "-e", str(self.env_file)],
            env=self.environment(), cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
        )
        output = done.stdout.decode(errors="replace")
        with self.log_file.open("a") as log:
            log.write(f"--- anabranch {' '.join(arguments)}: exit {done.returncode}\n{output}")
        if check and done.returncode != 0:
            raise AssertionError(f"anabranch {' '.join(arguments)} ended with {done.returncode}:\n{output}")
        return output

    def init(self, start_at: str = "") -> str:
        start_at = start_at or self.init_from
        return self.command("init", *(["--from", start_at] if start_at else []), "-y")

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self, wait: bool = True) -> None:
        assert self.process is None or self.process.poll() is not None, "the engine runs already"
        self.starts += 1
        with self.log_file.open("a") as log:
            log.write(f"--- start {self.starts}\n")
            log.flush()
            self.process = subprocess.Popen(
                [str(binary("anabranch")), "run", "-e", str(self.env_file)],
                env=self.environment(), cwd=self.directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )
        self.stop_sampling.clear()
        self.sampler = threading.Thread(target=self.sample_until_stopped, daemon=True)
        self.sampler.start()
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        until(lambda: f"/readyz of the engine; its log: {self.log_tail()}", READY_SECONDS, self.is_ready)

    def is_ready(self) -> bool:
        self.assert_alive()
        status, _ = self.get("readyz")
        return status == 200

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def assert_alive(self) -> None:
        assert self.process is not None
        status = self.process.poll()
        assert status is None, f"the engine ended by itself with {status}:\n{self.log_tail()}"

    def kill(self) -> None:
        assert self.process is not None
        self.assert_alive()
        self.process.kill()
        self.process.wait()
        self.end_sampling()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait_end(self, seconds: float = STOP_SECONDS) -> int:
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"the engine did not end within {seconds} s:\n{self.log_tail()}") from error
        finally:
            self.end_sampling()

    def stop(self) -> float:
        """SIGTERM; returns how long it took."""
        begin = time.monotonic()
        self.signal(signal.SIGTERM)
        status = self.wait_end()
        assert status == 0, f"after SIGTERM the engine ended with {status}:\n{self.log_tail()}"
        return time.monotonic() - begin

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.end_sampling()

    # --- what it says -------------------------------------------------------------------------------------------------

    def metrics(self) -> Metrics:
        found = until("/metrics of the engine", 10, lambda: read_metrics(self.port))
        assert isinstance(found, Metrics)
        return found

    def sample_until_stopped(self) -> None:
        """Holds what must hold at any time against every sample; keeps the last one of this life."""
        last = None
        while not self.stop_sampling.wait(SAMPLE_SECONDS):
            found = read_metrics(self.port)
            if found is None:
                continue
            last = self.last = found
            try:
                found.group_offset_is_a_floor()
                found.ledgers_hold()
            except AssertionError as error:
                self.violations.append(str(error))
        if last is not None:
            self.count_duplicates(last)

    def end_sampling(self) -> None:
        if self.sampler is not None:
            self.stop_sampling.set()
            self.sampler.join()
            self.sampler = None

    def partitions(self) -> set[int]:
        """What it owns now; nothing while it does not answer."""
        found = read_metrics(self.port)
        return set() if found is None else set(found.committed())

    def count_duplicates(self, of: Metrics) -> None:
        for labels, value in of.each("duplicates_total"):
            self.duplicates[labels["sink"]] = self.duplicates.get(labels["sink"], 0) + value

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def log_tail(self, lines: int = 25) -> str:
        return "\n".join(self.log().splitlines()[-lines:]) if self.log_file.exists() else "(no log)"

    def has_settled(self, ends: dict[int, int], sinks: set[str]) -> bool:
        """Every sink's position has reached the end of each partition."""
        found = read_metrics(self.port)
        if found is None:
            self.assert_alive()
            return False
        return all(
            found.positions(sink).get(partition, -1) >= end
            for sink in sinks for partition, end in ends.items() if end > 0
        )

    def received(self, sink: str) -> int:
        """What the summary of the last stop says."""
        found = re.findall(rf"{sink} received (\d+) records", self.log())
        assert found, f"no summary line of {sink}:\n{self.log_tail()}"
        return int(found[-1])


class Group:
    """Several engines of one consumer group, asked together as if they were one."""

    def __init__(self, *engines: Engine) -> None:
        self.engines = engines
        self.starts = 2  # records are read by more than one life

    @property
    def violations(self) -> list[str]:
        return [f"{one.name}: {what}" for one in self.engines for what in one.violations]

    def running(self) -> list[Engine]:
        return [one for one in self.engines if one.process is not None and one.process.poll() is None]

    def share(self) -> list[set[int]]:
        return [one.partitions() for one in self.running()]

    def is_shared(self) -> bool:
        """Every partition has one owner, and nobody who runs has none."""
        shares = self.share()
        owned = [partition for share in shares for partition in share]
        return all(shares) and len(owned) == len(set(owned)) == PARTITIONS

    def metrics(self) -> Metrics:
        return self.running()[0].metrics()

    def log_tail(self, lines: int = 25) -> str:
        return "\n".join(f"--- {one.name}\n{one.log_tail(lines)}" for one in self.engines)

    def has_settled(self, ends: dict[int, int], sinks: set[str]) -> bool:
        samples = [found for one in self.running() if (found := read_metrics(one.port)) is not None]
        return all(
            max((found.positions(sink).get(partition, -1) for found in samples), default=-1) >= end
            for sink in sinks for partition, end in ends.items() if end > 0
        )

    def each_offset_is_a_floor(self) -> None:
        for one in self.running():
            one.metrics().group_offset_is_a_floor()
