"""Three Kafka brokers of a piece's own, each also a controller, which may be killed one by one.

Every topic has three replicas and takes a record when two have it. The jars and the log's settings are the stack's.
"""

import os
import subprocess
from pathlib import Path

from confluent_kafka.admin import AdminClient
from services import ROOT, free_port, until

NODES = (1, 2, 3)
CLUSTER_ID = "AnabranchThreeBrokers0"
READY_SECONDS = 120.0
CONFIG = """process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
num.partitions=4
default.replication.factor=3
min.insync.replicas=2
unclean.leader.election.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=3
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=2
message.max.bytes=16777216
"""


def libraries() -> Path:
    cache = Path(os.environ.get("AB_CACHE_DIR", Path.home() / ".cache/anabranch"))
    (found,) = cache.glob("kafka-*/libs")
    return found


class Cluster:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = {node: free_port() for node in NODES}
        self.controllers = {node: free_port() for node in NODES}
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        for node in NODES:
            self.prepare(node)
        self.start()
        self.admin = AdminClient({"bootstrap.servers": self.brokers})
        until("three brokers", READY_SECONDS, lambda: len(self.seen()) == len(NODES), 0.5)

    @property
    def brokers(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports.values())

    def config(self, node: int) -> Path:
        return self.directory / f"broker{node}.properties"

    def java(self, memory: str, log: str, *arguments: str) -> list[str]:
        return ["java", f"-Xms{memory}", f"-Xmx{memory}", "-XX:+UseSerialGC",
                f"-Dlog4j2.configurationFile=file:{ROOT}/stack/kafka/{log}", "-cp", f"{libraries()}/*", *arguments]

    def prepare(self, node: int) -> None:
        voters = ",".join(f"{one}@127.0.0.1:{port}" for one, port in self.controllers.items())
        self.config(node).write_text(CONFIG.format(
            node=node, voters=voters, port=self.ports[node], controller=self.controllers[node],
            data=self.directory / f"broker{node}",
        ))
        subprocess.run(
            self.java("64m", "log4j2-tools.properties", "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c",
                      str(self.config(node))),
            check=True, stdout=subprocess.DEVNULL,
        )

    def start(self) -> None:
        """Those that do not run."""
        for node in NODES:
            if node in self.running:
                continue
            with (self.directory / f"broker{node}.log").open("ab") as log:
                command = self.java("256m", "log4j2.properties", "kafka.Kafka", str(self.config(node)))
                self.running[node] = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self, node: int) -> None:
        process = self.running.pop(node)
        process.kill()
        process.wait()

    def close(self) -> None:
        for node in list(self.running):
            self.kill(node)

    def seen(self) -> set[int]:
        try:
            return set(self.admin.list_topics(timeout=5).brokers)
        except Exception:  # noqa: BLE001 - nobody answers yet
            return set()

    def leader(self, topic: str, partition: int) -> int:
        return int(self.admin.list_topics(topic, timeout=20).topics[topic].partitions[partition].leader)

    def wait_in_step(self) -> None:
        """Until each partition of each topic has all its replicas in step."""

        def in_step() -> bool:
            try:
                topics = self.admin.list_topics(timeout=5).topics.values()
            except Exception:  # noqa: BLE001 - the broker that was asked is the one that is away
                return False
            return all(len(p.isrs) == len(p.replicas) for topic in topics for p in topic.partitions.values())

        until("all replicas in step", READY_SECONDS, in_step, 0.2)
