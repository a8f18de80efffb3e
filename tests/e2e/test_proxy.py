"""The proxy of the fault tests, between two plain sockets."""

import socket
import threading
from collections.abc import Iterator

import pytest
from proxy import Proxy
from services import until

SECONDS = 5


class Echo:
    """Answers what it is sent and remembers it."""

    def __init__(self) -> None:
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
        try:
            while data := client.recv(1000):
                self.seen.append(data)
                client.sendall(data)
        except OSError:
            pass
        client.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.listener.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    made = Proxy(echo.listener.getsockname()[1], b"WRITE")
    yield made
    made.close()


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), SECONDS)


def ask(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    return client.recv(1000)


def test_it_passes_everything_by_itself(proxy: Proxy) -> None:
    client = connect(proxy)
    assert ask(client, b"WRITE 1") == b"WRITE 1"
    assert ask(client, b"read") == b"read"


def test_a_lost_answer_was_applied_and_resets_the_connection(proxy: Proxy, echo: Echo) -> None:
    proxy.lose(1)
    client = connect(proxy)
    assert ask(client, b"read") == b"read"
    with pytest.raises(ConnectionResetError):
        ask(client, b"WRITE 1")
    assert echo.seen == [b"read", b"WRITE 1"] and proxy.lost == 1
    assert ask(connect(proxy), b"WRITE 1") == b"WRITE 1"


def test_a_late_request_arrives_after_its_sender_has_died_and_before_the_next_one(proxy: Proxy, echo: Echo) -> None:
    proxy.hold()
    dead = connect(proxy)
    dead.sendall(b"WRITE old")
    until("the request held back", SECONDS, proxy.held)
    assert echo.seen == []
    dead.close()
    proxy.release()
    heir = connect(proxy)
    assert ask(heir, b"read") == b"read"
    assert ask(heir, b"WRITE new") == b"WRITE new"
    assert echo.seen == [b"read", b"WRITE old", b"WRITE new"] and proxy.delivered_late == 1
