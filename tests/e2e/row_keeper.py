"""A BigQuery that keeps every row it was sent, fast, for runs of more rows than an emulator takes in a night.

    ~/.cache/anabranch/venv/bin/python tests/e2e/bigquery_stub.py PORT

It knows tables, insertAll, and the three queries the engine asks; no insertId is looked at, so every row that is sent
twice is there twice. It has no SQL: what the view would show is worked out by the caller from the rows. Rows are read
back from GET /rows/TABLE, one JSON array of values a line, in the order of their coming.
"""

import json
import re
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COLUMNS = (
    "id", "content_id", "user_id", "event_type", "event_ts", "device", "content_type", "duration_ms", "engagement_pct",
    "processing_time", "op", "deleted", "version", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_ts",
)
PARTITION, OFFSET = COLUMNS.index("kafka_partition"), COLUMNS.index("kafka_offset")
ID, VERSION = COLUMNS.index("id"), COLUMNS.index("version")
RANGE = re.compile(r"kafka_partition = (\d+) AND kafka_offset BETWEEN (\d+) AND (\d+)")
TABLE_OF_QUERY = re.compile(r"FROM `[^`.]+\.[^`.]+\.([^`.]+)`")


class Table:
    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.at: dict[int, dict[int, tuple[Any, ...]]] = {}  # partition -> offset -> row

    def insert(self, rows: list[dict[str, Any]]) -> None:
        for one in rows:
            row = tuple(map(one["json"].get, COLUMNS))
            self.rows.append(row)
            self.at.setdefault(int(row[PARTITION]), {})[int(row[OFFSET])] = row


class Store:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tables: dict[str, Table] = {}

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        name = TABLE_OF_QUERY.search(sql)
        table = self.tables.get(name[1] if name else "")
        if table is None or sql.endswith("LIMIT 0"):
            return []
        if "MAX(kafka_offset)" in sql:
            return [(partition, max(rows)) for partition, rows in table.at.items()]
        found = []
        for partition, low, high in RANGE.findall(sql):
            rows = table.at.get(int(partition), {})
            for offset in range(int(low), int(high) + 1):
                if (row := rows.get(offset)) is not None:
                    found.append((partition, offset, row[ID], row[VERSION]))
        return found


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    store: Store

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def name(self) -> str:
        """The table's, without a view's suffix."""
        return self.path.split("?")[0].split("/tables/")[-1].split("/")[0].removesuffix("_exact")

    def do_GET(self) -> None:
        if self.path.startswith("/rows/"):
            table = self.store.tables.get(self.path.removeprefix("/rows/"), Table())
            with self.store.lock:
                rows = list(table.rows)
            self.answer(200, b"".join(json.dumps(row).encode() + b"\n" for row in rows))
        elif "/tables/" not in self.path or self.name() in self.store.tables:
            self.answer(200, {})
        else:
            self.answer(404, {"error": {"code": 404, "message": "not found", "errors": [{"reason": "notFound"}]}})

    def do_DELETE(self) -> None:
        with self.store.lock:
            self.store.tables.pop(self.name(), None)
        self.answer(204, b"")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.split("?")[0]
        if path.endswith("/insertAll"):
            with self.store.lock:
                self.store.tables.setdefault(self.name(), Table()).insert(body["rows"])
            self.answer(200, {"kind": "bigquery#tableDataInsertAllResponse"})
        elif path.endswith("/queries"):
            with self.store.lock:
                rows = self.store.query(body["query"])
            cells = [{"f": [{"v": None if v is None else str(v)} for v in row]} for row in rows]
            self.answer(200, {"jobComplete": True, "totalRows": str(len(rows)), "rows": cells})
        else:
            if path.endswith("/tables") and "view" not in body:
                with self.store.lock:
                    self.store.tables.setdefault(body["tableReference"]["tableId"], Table())
            self.answer(200, {})


def rows(port: int, table: str) -> Iterator[dict[str, Any]]:
    """What the stub on that port holds, as an emulator's client would give it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/rows/{table}", timeout=120) as answer:
        for line in answer:
            yield dict(zip(COLUMNS, json.loads(line), strict=True))


def drop(port: int, table: str) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/tables/{table}", method="DELETE")
    urllib.request.urlopen(request, timeout=30).close()


def serve(port: int) -> ThreadingHTTPServer:
    handler = type("OneStore", (Handler,), {"store": Store()})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server


if __name__ == "__main__":
    serve(int(sys.argv[1])).serve_forever()
