"""A Redis of one test's own, which may be killed, restored, demoted and emptied without harm to others."""

import shutil
import socket
import subprocess
from pathlib import Path

import redis
from services import Redis, until


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class OwnRedis:
    def __init__(self, directory: Path, *arguments: str) -> None:
        self.directory = directory
        self.arguments = arguments
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        directory.mkdir()
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory),
                   "--save", "", "--appendonly", "no", *self.arguments]
        with (self.directory / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.asked = Redis({"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.port)})
        until("Redis of the test's own", 20, self.is_up)

    def is_up(self) -> bool:
        try:
            return bool(self.asked.client.ping())
        except redis.RedisError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def keep_snapshot(self) -> None:
        """What a later restore() brings back."""
        self.asked.client.save()
        shutil.copy(self.directory / "dump.rdb", self.directory / "kept.rdb")

    def restore(self) -> None:
        """kill -9, and a start from the kept snapshot."""
        self.kill()
        shutil.copy(self.directory / "kept.rdb", self.directory / "dump.rdb")
        self.start()

    def follow(self, port: int) -> None:
        """Becomes a replica of that port; one where nobody listens leaves it with what it has."""
        self.asked.client.replicaof("127.0.0.1", port)

    def promote(self) -> None:
        self.asked.client.replicaof("NO", "ONE")

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
