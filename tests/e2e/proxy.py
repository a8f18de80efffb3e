"""A TCP proxy between the engine and a sink that makes what networks do happen on purpose.

    lost answer   the request is applied, its answer never arrives
    late request  the request is applied long after its sender has died and another has taken over

And three that last: silence (nothing passes, connections stay open), slowness (every answer takes its time), and distance
(every marked request does).
Everything else passes unchanged. One thread per direction; a marker in the bytes tells a request that changes data.
"""

import socket
import struct
import threading
import time

REDIS = b"EVALSHA"
ELASTICSEARCH = b"POST /_bulk"
BIGQUERY = b"/insertAll"
RESET = struct.pack("ii", 1, 0)
CHUNK = 1 << 18


class Connection:
    def __init__(self, proxy: "Proxy", client: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server = socket.create_connection(("127.0.0.1", proxy.target), 10)
        self.server.settimeout(None)
        self.asked = False  # a marked request is under way
        self.held = b""  # bytes of late requests
        self.answered = threading.Event()

    def run(self) -> None:
        for pump in (self.upwards, self.downwards):
            threading.Thread(target=pump, daemon=True).start()

    def upwards(self) -> None:
        try:
            while data := self.client.recv(CHUNK):
                self.proxy.passing.wait()
                marked = self.proxy.marker in data
                if self.held or (marked and self.proxy.take_late()):
                    self.held += data
                    self.proxy.keep(self)
                    continue
                if marked:
                    self.proxy.let_the_late_go_first()
                    self.asked = True
                    time.sleep(self.proxy.request_delay)
                self.server.sendall(data)
        except OSError:
            pass
        if not self.held:
            self.shut(self.server, socket.SHUT_WR)

    def downwards(self) -> None:
        try:
            while data := self.server.recv(CHUNK):
                self.answered.set()
                self.proxy.passing.wait()
                time.sleep(self.proxy.delay)
                if self.asked and self.proxy.take_lost():
                    self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    break
                self.asked = False
                self.client.sendall(data)
        except OSError:
            pass
        # The other thread waits in recv(), which keeps the socket open: wake it, then close it for good.
        self.shut(self.client, socket.SHUT_RD)
        self.shut(self.server, socket.SHUT_RDWR)
        self.client.close()
        self.server.close()

    def deliver_late(self) -> None:
        """To the server, as if the network had only been slow; whatever it answers, nobody is there to hear it."""
        self.answered.clear()
        try:
            self.server.sendall(self.held)
            self.answered.wait(5)
            self.server.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    @staticmethod
    def shut(which: socket.socket, how: int) -> None:
        try:
            which.shutdown(how)
        except OSError:
            pass


class Proxy:
    def __init__(self, target: int, marker: bytes) -> None:
        self.target = target
        self.marker = marker
        self.lock = threading.Lock()
        self.to_lose = 0
        self.lost = 0
        self.holding = False
        self.refusing = False
        self.passing = threading.Event()
        self.passing.set()
        self.delay = 0.0
        self.request_delay = 0.0
        self.late: list[Connection] = []
        self.delivered_late = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                if self.refusing:
                    raise OSError
                Connection(self, client).run()
            except OSError:
                client.close()

    def close(self) -> None:
        self.listener.close()

    def refuse(self, refusing: bool) -> None:
        """New connections are closed at once: to the engine the sink is away."""
        self.refusing = refusing

    def silence(self, silent: bool) -> None:
        """Nothing passes in either direction: a network that drops every packet. What was on its way is late."""
        if silent:
            self.passing.clear()
        else:
            self.passing.set()

    def slow(self, seconds: float) -> None:
        """Every piece of an answer waits for so long."""
        self.delay = seconds

    # --- lost answers -------------------------------------------------------------------------------------------------

    def lose(self, count: int) -> None:
        """The next count answers to marked requests are swallowed and their connections reset."""
        with self.lock:
            self.to_lose += count

    def take_lost(self) -> bool:
        with self.lock:
            if self.to_lose == 0:
                return False
            self.to_lose -= 1
            self.lost += 1
            return True

    def far(self, seconds: float) -> None:
        """Every marked request takes so much longer to arrive from now on."""
        self.request_delay = seconds

    # --- late requests ------------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """From now on marked requests are kept, until release()."""
        with self.lock:
            self.holding = True

    def release(self) -> None:
        """What was kept is delivered just before the next marked request of somebody else."""
        with self.lock:
            self.holding = False

    def take_late(self) -> bool:
        with self.lock:
            return self.holding

    def keep(self, connection: Connection) -> None:
        with self.lock:
            if connection not in self.late:
                self.late.append(connection)

    def held(self) -> int:
        with self.lock:
            return len(self.late)

    def let_the_late_go_first(self) -> None:
        with self.lock:
            late, self.late = self.late, []
            for connection in late:
                connection.deliver_late()
            self.delivered_late += len(late)
