"""The proxy of the fault tests, between plain sockets: every fault happens once, is counted, and hits what it should."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from proxy import BIGQUERY, ELASTICSEARCH, REDIS, Fault, Proxy, http_end, resp_end
from services import until

SECONDS = 5


class Server:
    """Remembers each request's body; answers with the number of requests so far."""

    def __init__(self, is_http: bool) -> None:
        self.is_http = is_http
        self.seen: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        data = bytearray()
        try:
            while piece := client.recv(1000):
                data += piece
                while data and (end := http_end(data) if self.is_http else resp_end(data)) > 0:
                    whole, data = bytes(data[:end]), data[end:]
                    self.seen.append(whole.split(b"\r\n")[-1 if self.is_http else -2])
                    client.sendall(self.answer(str(len(self.seen)).encode()))
        except OSError:
            pass
        client.close()

    def answer(self, text: bytes) -> bytes:
        if not self.is_http:
            return b"+" + text + b"\r\n"
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


class Client:
    def __init__(self, proxy: Proxy) -> None:
        self.is_http = proxy.protocol.is_http
        self.socket = socket.create_connection(("127.0.0.1", proxy.port), SECONDS)

    def send(self, text: bytes) -> None:
        """`write…` changes data, other words do not."""
        if self.is_http:
            path = b"/_bulk" if text.startswith(b"write") else b"/_search"
            self.socket.sendall(b"POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (path, len(text), text))
        else:
            command = b"EVALSHA" if text.startswith(b"write") else b"GET"
            self.socket.sendall(
                b"*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(command), command, len(text), text)
            )

    def ask(self, text: bytes) -> bytes:
        """The answer's text; empty: the connection was closed."""
        self.send(text)
        return self.socket.recv(1000).rstrip(b"\r\n").split(b"\r\n")[-1].lstrip(b"+")


@pytest.fixture(params=[ELASTICSEARCH, REDIS], ids=["http", "resp"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    made = Server(request.param.is_http)
    yield made
    made.listener.close()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    made = Proxy(server.listener.getsockname()[1], ELASTICSEARCH if server.is_http else REDIS)
    yield made
    made.close()


def lost(proxy: Proxy, text: bytes) -> bool:
    with pytest.raises(ConnectionResetError):
        Client(proxy).ask(text)
    return True


def test_it_passes_everything_by_itself(proxy: Proxy, server: Server) -> None:
    client = Client(proxy)
    assert client.ask(b"write 1") == b"1"
    assert client.ask(b"read") == b"2"
    assert server.seen == [b"write 1", b"read"] and not proxy.done and proxy.requests == 1


def test_a_lost_answer_was_applied_and_resets_the_connection(proxy: Proxy, server: Server) -> None:
    proxy.lose(1)
    assert Client(proxy).ask(b"read") == b"1"
    assert lost(proxy, b"write 1")
    assert server.seen == [b"read", b"write 1"] and proxy.lost == 1
    assert Client(proxy).ask(b"write 1") == b"3"


def test_a_cut_request_never_arrives(proxy: Proxy, server: Server) -> None:
    proxy.inject(Fault.CUT)
    proxy.inject(Fault.CUT_WITHIN)
    assert lost(proxy, b"write 1") and lost(proxy, b"write 2")
    assert Client(proxy).ask(b"write 3") == b"1"
    assert server.seen == [b"write 3"] and proxy.done == {Fault.CUT: 1, Fault.CUT_WITHIN: 1}


def test_a_duplicate_arrives_twice_and_is_answered_once(proxy: Proxy, server: Server) -> None:
    proxy.inject(Fault.DUPLICATE)
    client = Client(proxy)
    assert client.ask(b"write 1") == b"2"
    assert client.ask(b"read") == b"3"
    assert server.seen == [b"write 1", b"write 1", b"read"]


def test_a_late_request_is_applied_after_the_ones_that_followed(proxy: Proxy, server: Server) -> None:
    proxy.inject(Fault.LATE, behind=2)
    assert lost(proxy, b"write old")
    client = Client(proxy)
    assert client.ask(b"write old") == b"1"
    assert client.ask(b"write new") == b"3"
    assert server.seen == [b"write old", b"write old", b"write new"] and proxy.delivered_late == 1


def test_a_held_request_arrives_after_its_sender_has_died_and_before_the_next_one(proxy: Proxy, server: Server) -> None:
    proxy.hold()
    dead = Client(proxy)
    dead.send(b"write old")
    until("the request held back", SECONDS, proxy.held)
    assert server.seen == []
    dead.socket.close()
    proxy.release()
    heir = Client(proxy)
    assert heir.ask(b"read") == b"1"
    assert heir.ask(b"write new") == b"3"
    assert server.seen == [b"read", b"write old", b"write new"] and proxy.delivered_late == 1


def test_a_request_into_the_black_hole_has_no_answer_and_no_end(proxy: Proxy, server: Server) -> None:
    proxy.inject(Fault.BLACK_HOLE)
    client = Client(proxy)
    client.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.ask(b"write 1")
    assert server.seen == [] and proxy.unanswered == 0
    client.socket.close()
    until("the end of the connection", SECONDS, lambda: proxy.unanswered == 1)
    assert Client(proxy).ask(b"write 2") == b"1"


@pytest.mark.parametrize("fault", [Fault.DELAY, Fault.TRICKLE])
def test_a_slow_request_arrives_whole(proxy: Proxy, server: Server, fault: Fault) -> None:
    proxy.inject(fault, seconds=0.3)
    client = Client(proxy)
    begin = time.monotonic()
    assert client.ask(b"write a longer text than the others") == b"1"
    assert time.monotonic() - begin >= 0.2
    assert client.ask(b"read") == b"2" and proxy.done[fault] == 1


def test_a_corrupt_answer_has_its_length_and_not_its_text(proxy: Proxy, server: Server) -> None:
    proxy.inject(Fault.CORRUPT)
    client = Client(proxy)
    client.send(b"write 1")
    whole = server.answer(b"1")
    damaged = client.socket.recv(1000)
    assert len(damaged) == len(whole) and damaged != whole and damaged[: len(whole) // 2] == whole[: len(whole) // 2]
    assert server.seen == [b"write 1"]


def test_every_third_request_is_hit_so_many_times(proxy: Proxy, server: Server) -> None:
    proxy.inject(Fault.DUPLICATE, count=2, every=3)
    client = Client(proxy)
    for number in range(9):
        client.ask(b"write %d" % number)
    assert [server.seen.count(b"write %d" % n) for n in range(9)] == [1, 1, 2, 1, 1, 2, 1, 1, 1]
    assert proxy.to_come() == 0


def test_a_sink_that_is_away_refuses_new_connections(proxy: Proxy) -> None:
    proxy.refuse(True)
    with pytest.raises(OSError):
        assert Client(proxy).ask(b"read") == b""
        raise ConnectionError
    proxy.refuse(False)
    assert Client(proxy).ask(b"read") == b"1"


def test_silence_keeps_everything_until_it_ends_and_slowness_every_answer(proxy: Proxy, server: Server) -> None:
    client = Client(proxy)
    client.socket.settimeout(0.3)
    proxy.silence(True)
    with pytest.raises(TimeoutError):
        client.ask(b"write 1")
    assert server.seen == []
    proxy.silence(False)
    assert client.socket.recv(1000)
    proxy.slow(0.2)
    client.send(b"write 2")
    until("the request passed on", SECONDS, lambda: server.seen == [b"write 1", b"write 2"], 0.01)
    assert proxy.outstanding() == 1
    assert client.socket.recv(1000) and proxy.outstanding() == 0


@pytest.mark.parametrize("text", [
    b"+OK\r\n", b":42\r\n", b"-ERR no\r\n", b"$5\r\nhello\r\n", b"$-1\r\n", b"$0\r\n\r\n", b"*-1\r\n", b"*0\r\n",
    b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n", b"%1\r\n+k\r\n+v\r\n", b"PING\r\n",
])
def test_a_resp_value_ends_where_it_ends(text: bytes) -> None:
    assert resp_end(bytearray(text + b"+next\r\n")) == len(text)
    assert all(resp_end(bytearray(text[:n])) < 0 for n in range(len(text)))


@pytest.mark.parametrize("text", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n",
])
def test_an_http_message_ends_where_it_ends(text: bytes) -> None:
    assert http_end(bytearray(text + b"HTTP/1.1 200 OK\r\n")) == len(text)
    assert all(http_end(bytearray(text[:n])) < 0 for n in range(len(text)))


def test_an_answer_to_head_has_no_body() -> None:
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert http_end(bytearray(text), headless=True) == len(text)


def test_it_knows_which_requests_change_data() -> None:
    assert BIGQUERY.changes_data(b"POST /bigquery/v2/projects/p/datasets/d/tables/t/insertAll HTTP/1.1\r\n")
    assert not BIGQUERY.changes_data(b"POST /bigquery/v2/projects/p/queries HTTP/1.1\r\n")
    assert ELASTICSEARCH.changes_data(b"POST /_bulk?filter_path=errors HTTP/1.1\r\n")
    assert not REDIS.changes_data(b"*2\r\n$3\r\nGET\r\n$4\r\nname\r\n")
