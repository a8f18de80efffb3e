"""A proxy between the engine and a sink that makes what a network can do happen on purpose, request by request.

    cut           the request never arrives, its connection is reset
    cut within    half of the request arrives, then the connection is reset
    lost          the request is applied, its answer never arrives, the connection is reset
    late          the connection is reset; the request is applied all the same, after others that came later
    duplicate     the request arrives twice
    delay         the request arrives after a while
    trickle       the request arrives in small pieces
    black hole    the request is taken and never answered
    corrupt       the answer's bytes are damaged

And three that last: silence (nothing passes, connections stay open), slowness (every answer takes its time), and distance
(every request that changes data does).

Whole requests and answers are cut out of the stream, so every fault hits one of them and is counted. Faults are for
requests that change data; everything else passes unchanged. Two threads for each connection.
"""

import re
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

RESET = struct.pack("ii", 1, 0)
PIECE = 1 << 18
TRICKLE_PIECES = 20
ANSWER_SECONDS = 10.0
# Of a request, what is searched for the words that tell one that changes data.
MARKED_WITHIN = 300


# --- framing ----------------------------------------------------------------------------------------------------------


def resp_end(data: bytearray, at: int = 0) -> int:
    """Where the RESP value at `at` ends; -1: not all of it is there."""
    line = data.find(b"\r\n", at)
    if line < 0:
        return -1
    kind = data[at : at + 1]
    if kind in (b"$", b"=", b"!"):
        length = int(data[at + 1 : line])
        end = line + 2 if length < 0 else line + 2 + length + 2
        return end if end <= len(data) else -1
    if kind in (b"*", b"~", b">", b"%"):
        end = line + 2
        for _ in range(int(data[at + 1 : line]) * (2 if kind == b"%" else 1)):
            end = resp_end(data, end)
            if end < 0:
                return -1
        return end
    return line + 2


def http_end(data: bytearray, headless: bool = False) -> int:
    """Where the HTTP message at the beginning ends; -1: not all of it is there. headless: the answer to a HEAD."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return -1
    fields = bytes(data[:head]).lower()
    at = head + 4
    if headless or re.match(rb"http/1\.\d (1\d\d|204|304) ", fields):
        return at
    if re.search(rb"\r\ntransfer-encoding:\s*chunked", fields):
        while (line := data.find(b"\r\n", at)) >= 0:
            size = int(data[at:line].split(b";")[0], 16)
            at = line + 2 + size + 2
            if size == 0:
                return at if at <= len(data) else -1
        return -1
    length = re.search(rb"\r\ncontent-length:\s*(\d+)", fields)
    end = at + (int(length[1]) if length else 0)
    return end if end <= len(data) else -1


class Protocol(NamedTuple):
    marker: bytes  # stands in every request that changes data
    is_http: bool

    def end(self, data: bytearray, headless: bool) -> int:
        return http_end(data, headless) if self.is_http else resp_end(data)

    def changes_data(self, request: bytes) -> bool:
        return request.find(self.marker, 0, MARKED_WITHIN) >= 0


REDIS = Protocol(b"EVALSHA", False)
ELASTICSEARCH = Protocol(b"/_bulk", True)
BIGQUERY = Protocol(b"/insertAll", True)


def frames(source: socket.socket, end_of: Callable[[bytearray], int]) -> Iterator[bytes]:
    """Whole messages, until the peer closes."""
    data = bytearray()
    while piece := source.recv(PIECE):
        data += piece
        while data and (end := end_of(data)) > 0:
            whole, data = bytes(data[:end]), data[end:]
            yield whole


# --- faults -----------------------------------------------------------------------------------------------------------


class Fault(Enum):
    CUT = "cut"
    CUT_WITHIN = "cut within"
    LOST = "lost answer"
    LATE = "late request"
    DUPLICATE = "duplicate"
    DELAY = "delay"
    TRICKLE = "trickle"
    BLACK_HOLE = "black hole"
    CORRUPT = "corrupt answer"


@dataclass
class Rule:
    """`count` times, each `every`th request. behind: a late one arrives after so many more requests."""

    fault: Fault
    left: int
    every: int
    seconds: float
    behind: int
    seen: int = 0

    def hits(self) -> bool:
        if self.left == 0:
            return False
        self.seen += 1
        if self.seen % self.every != 0:
            return False
        self.left -= 1
        return True


@dataclass
class Answer:
    """What is to become of the answer to one request."""

    marked: bool
    headless: bool = False
    fault: Fault | None = None
    drop: bool = False
    came: threading.Event = field(default_factory=threading.Event)


class Connection:
    def __init__(self, proxy: "Proxy", client: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server = socket.create_connection(("127.0.0.1", proxy.target), 10)
        for one in (self.server, client):
            one.settimeout(None)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers: deque[Answer] = deque()
        self.held: list[bytes] = []  # requests that are to arrive late
        self.client_is_gone = False

    def run(self) -> None:
        with self.proxy.lock:
            self.proxy.connections.append(self)
        for pump in (self.upwards, self.downwards):
            threading.Thread(target=pump, daemon=True).start()

    def waiting(self) -> int:
        return sum(answer.marked for answer in tuple(self.answers)) + len(self.held)

    # --- requests ---

    def upwards(self) -> None:
        try:
            for request in frames(self.client, lambda data: self.proxy.protocol.end(data, False)):
                self.one_request(request)
        except OSError:
            pass
        self.client_is_gone = True
        self.proxy.ended(self)
        if not self.held:
            shut(self.server, socket.SHUT_WR)

    def one_request(self, request: bytes) -> None:
        self.proxy.passing.wait()
        marked = self.proxy.protocol.changes_data(request)
        if self.held or (marked and self.proxy.holding):
            self.held.append(request)
            self.proxy.keep(self)
            return
        rule = self.proxy.next_rule(self) if marked else None
        if marked:
            time.sleep(self.proxy.request_delay)
        if rule is None:
            self.forward(request, Answer(marked))
        else:
            self.spoil(request, rule)

    def forward(self, request: bytes, answer: Answer) -> None:
        answer.headless = request.startswith(b"HEAD ")
        self.answers.append(answer)
        self.server.sendall(request)

    def spoil(self, request: bytes, rule: Rule) -> None:
        fault = rule.fault
        if fault is Fault.CUT:
            self.reset()
        elif fault is Fault.CUT_WITHIN:
            self.server.sendall(request[: len(request) // 2])
            self.reset()
        elif fault is Fault.LATE:
            self.held.append(request)
            self.proxy.keep(self, rule.behind)
            self.reset()
        elif fault is Fault.DUPLICATE:
            self.forward(request, Answer(True, drop=True))
            self.forward(request, Answer(True))
        elif fault is Fault.BLACK_HOLE:
            self.answers.append(Answer(True))
        elif fault is Fault.TRICKLE:
            self.answers.append(Answer(True))
            size = len(request) // TRICKLE_PIECES + 1
            for at in range(0, len(request), size):
                self.server.sendall(request[at : at + size])
                time.sleep(rule.seconds / TRICKLE_PIECES)
        else:
            if fault is Fault.DELAY:
                time.sleep(rule.seconds)
            self.forward(request, Answer(True, fault=fault if fault in (Fault.LOST, Fault.CORRUPT) else None))

    # --- answers ---

    def answer_end(self, data: bytearray) -> int:
        headless = self.answers[0].headless if self.answers else False
        return self.proxy.protocol.end(data, headless)

    def downwards(self) -> None:
        try:
            for text in frames(self.server, self.answer_end):
                self.one_answer(text)
        except OSError:
            pass
        for answer in self.answers:
            answer.came.set()
        # The other thread waits in recv(), which keeps the socket open: wake it, then close it for good.
        shut(self.client, socket.SHUT_RD)
        shut(self.server, socket.SHUT_RDWR)
        self.client.close()
        self.server.close()

    def one_answer(self, text: bytes) -> None:
        if self.proxy.protocol.is_http and text.startswith(b"HTTP/1.1 100"):
            answer = Answer(False)
        else:
            answer = self.answers[0] if self.answers else Answer(False)
        answer.came.set()
        self.proxy.passing.wait()
        time.sleep(self.proxy.delay)
        if self.answers and answer is self.answers[0]:
            self.answers.popleft()
        if answer.drop or self.client_is_gone:
            return
        if answer.fault is Fault.LOST:
            self.reset()
            return
        if answer.fault is Fault.CORRUPT:
            text = corrupted(text)
        try:
            self.client.sendall(text)
        except OSError:
            self.client_is_gone = True

    def reset(self) -> None:
        """To the engine the connection is lost at once; the other thread sees its end."""
        self.client_is_gone = True
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        shut(self.client, socket.SHUT_RD)
        # Detached, so that nobody closes the number again when it is another connection's.
        socket.close(self.client.detach())

    def deliver_late(self) -> None:
        """To the server, as if the network had only been slow; mostly nobody is there any more to hear the answer."""
        for request in self.held:
            answer = Answer(True)
            try:
                self.forward(request, answer)
            except OSError:
                return
            answer.came.wait(ANSWER_SECONDS)
        self.held = []
        if self.client_is_gone:
            shut(self.server, socket.SHUT_WR)


def corrupted(text: bytes) -> bytes:
    """The second half of it is no longer what was said; the length is."""
    half = len(text) // 2
    return text[:half] + bytes(byte ^ 0x15 for byte in text[half:])


def shut(which: socket.socket, how: int) -> None:
    try:
        which.shutdown(how)
    except OSError:
        pass


# --- the proxy --------------------------------------------------------------------------------------------------------


class Proxy:
    def __init__(self, target: int, protocol: Protocol) -> None:
        self.target = target
        self.protocol = protocol
        self.lock = threading.Lock()
        self.rules: list[Rule] = []
        self.done: Counter[Fault] = Counter()  # faults that happened
        self.requests = 0  # requests that change data
        self.unanswered = 0  # of those, how many were without answer when their sender was gone
        self.holding = False
        self.refusing = False
        self.passing = threading.Event()
        self.passing.set()
        self.delay = 0.0
        self.request_delay = 0.0
        self.connections: list[Connection] = []  # whose client is there
        self.late: list[tuple[Connection, int]] = []  # and the number of requests after which it is delivered
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
        """Every answer waits for so long."""
        self.delay = seconds

    def far(self, seconds: float) -> None:
        """Every request that changes data takes so much longer to arrive from now on."""
        self.request_delay = seconds

    # --- faults, request by request -----------------------------------------------------------------------------------

    def inject(self, fault: Fault, count: int = 1, every: int = 1, seconds: float = 0.0, behind: int = 0) -> None:
        """The next `count` hits; rules work side by side, the first that hits a request has it."""
        with self.lock:
            self.rules.append(Rule(fault, count, every, seconds, behind))

    def clear(self) -> None:
        with self.lock:
            self.rules = []

    def lose(self, count: int) -> None:
        self.inject(Fault.LOST, count)

    @property
    def lost(self) -> int:
        return self.done[Fault.LOST]

    def to_come(self) -> int:
        """Faults that have not happened yet."""
        with self.lock:
            return sum(rule.left for rule in self.rules)

    def next_rule(self, connection: Connection) -> Rule | None:
        """Called for each request that changes data, before it is forwarded."""
        with self.lock:
            self.requests += 1
            due = [one for one, when in self.late if when <= self.requests and one is not connection]
            self.late = [(one, when) for one, when in self.late if one not in due]
            for one in due:
                one.deliver_late()
            self.delivered_late += len(due)
            rule = next((rule for rule in self.rules if rule.hits()), None)
            if rule is not None:
                self.done[rule.fault] += 1
            return rule

    def ended(self, connection: Connection) -> None:
        """Its client has closed it, or has died."""
        with self.lock:
            self.unanswered += connection.waiting()
            self.connections.remove(connection)

    def outstanding(self) -> int:
        """Requests that change data and wait for their answers now."""
        with self.lock:
            return sum(one.waiting() for one in self.connections)

    # --- late requests, by hand ---------------------------------------------------------------------------------------

    def hold(self) -> None:
        """From now on requests are kept, until release()."""
        with self.lock:
            self.holding = True

    def release(self) -> None:
        """What was kept is delivered just before the next request of somebody else."""
        with self.lock:
            self.holding = False

    def keep(self, connection: Connection, behind: int = 0) -> None:
        with self.lock:
            if all(one is not connection for one, _ in self.late):
                self.late.append((connection, self.requests + behind))

    def held(self) -> int:
        with self.lock:
            return len(self.late)
