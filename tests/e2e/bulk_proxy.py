"""An HTTP proxy before Elasticsearch that refuses single documents of a _bulk request, or all of it, as a busy cluster does.

What is refused is not forwarded; what is forwarded is answered by the real server. The answers are put together again.
"""

import http.client
import json
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUSY = {"type": "es_rejected_execution_exception", "reason": "rejected execution of coordinating operation"}
UNAVAILABLE = {"type": "unavailable_shards_exception", "reason": "primary shard is not active"}


class BulkProxy:
    def __init__(self, target: int, seed: int = 1) -> None:
        self.target = target
        self.random = random.Random(seed)
        self.items = 0.0  # share of documents refused, half of them 429, half 503
        self.requests = 0.0  # share of requests refused as a whole
        self.refused_items = self.refused_requests = 0
        self.lock = threading.Lock()
        handler = type("BoundHandler", (Handler,), {"proxy": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.port = int(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def chance(self, share: float) -> bool:
        with self.lock:
            return self.random.random() < share


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: BulkProxy

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def forward(self, body: bytes) -> tuple[int, bytes]:
        server = http.client.HTTPConnection("127.0.0.1", self.proxy.target, timeout=30)
        headers = {name: self.headers[name] for name in ("Content-Type", "Authorization") if name in self.headers}
        server.request(self.command, self.path, body or None, headers)
        answer = server.getresponse()
        raw = answer.read()
        server.close()
        return answer.status, raw

    def bulk(self, body: bytes) -> tuple[int, bytes]:
        if self.proxy.chance(self.proxy.requests):
            self.proxy.refused_requests += 1
            status = self.proxy.random.choice((429, 503))
            return status, json.dumps({"error": BUSY if status == 429 else UNAVAILABLE, "status": status}).encode()
        lines = body.splitlines(keepends=True)
        refused: dict[int, dict[str, Any]] = {}
        passed = b""
        for i in range(len(lines) // 2):
            if self.proxy.chance(self.proxy.items):
                busy = self.proxy.chance(0.5)
                refused[i] = {"index": {"status": 429 if busy else 503, "error": BUSY if busy else UNAVAILABLE}}
            else:
                passed += lines[2 * i] + lines[2 * i + 1]
        self.proxy.refused_items += len(refused)
        if not refused:
            return self.forward(body)
        answered = iter(json.loads(self.forward(passed)[1])["items"] if passed else ())
        items = [refused[i] if i in refused else next(answered) for i in range(len(lines) // 2)]
        return 200, json.dumps({"took": 1, "errors": True, "items": items}).encode()

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            status, raw = self.bulk(body) if self.path.startswith("/_bulk") else self.forward(body)
        except OSError:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = do_DELETE = handle_one
