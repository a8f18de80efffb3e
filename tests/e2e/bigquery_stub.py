"""A BigQuery that behaves as Google's documentation says, where the emulators do not. Its own process; rows are in memory.

    insertAll     rows are remembered by insertId for a minute, at best; a row that does not fit the schema keeps all of its
                  request out (`invalid`, the others `stopped`); other row errors keep out that row alone; 10 MB and 50,000
                  rows are the most; 403 has several meanings; an answer may get lost before or after the rows are stored,
                  or long before
    queries       64-bit numbers are strings; a job may not be complete; streamed rows may be seen late

What goes wrong is told by POST /stub: {"every": n, "insert": [fault, ...], "query": [fault, ...]} gives every n-th request
the next fault of its list. The other fields of Settings can be set likewise. GET /stub tells what happened.
"""

import json
import re
import socket
import sqlite3
import struct
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RESET = struct.pack("ii", 1, 0)
NAME = r"`[^`.]+\.[^`.]+\.([^`]+)`"
# Status, reason, words: as "Error messages" and the REST reference have them.
REFUSALS = {
    "rate": (403, "rateLimitExceeded", "Exceeded rate limits: too many api requests per user per method"),
    "quota": (403, "quotaExceeded", "Quota exceeded: Your table exceeded quota for tabledata.insertAll bytes per second"),
    "denied": (403, "accessDenied", "Access Denied: Table: User does not have permission"),
    "busy": (429, "rateLimitExceeded", "Too many requests"),
    "backend": (503, "backendError", "Error encountered during execution. Retrying may solve the problem."),
    "internal": (500, "internalError", "An internal error occurred and the request could not be completed."),
}


@dataclass
class Settings:
    every: int = 1
    insert: list[str] = field(default_factory=list)
    query: list[str] = field(default_factory=list)
    dedup_seconds: float = 60.0
    late_seconds: float = 4.0  # a request that was cut off is applied after this
    unseen_seconds: float = 0.0  # queries do not see a row for so long
    bytes_max: int = 10 * 1024 * 1024
    rows_max: int = 50_000


class Refused(Exception):
    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message

    def body(self) -> dict[str, Any]:
        one = {"domain": "global", "reason": self.reason, "message": self.message}
        return {"error": {"code": self.status, "message": self.message, "errors": [one]}}


class Cut(Exception):
    """The connection is reset instead of an answer."""


class Store:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.settings = Settings()
        self.counts: Counter[str] = Counter()
        self.tables: dict[str, dict[str, Any]] = {}
        self.datasets: set[str] = set()
        self.booleans: set[str] = set()
        self.ids: dict[tuple[str, str], float] = {}
        self.db = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.create_function("stub_now", 0, time.monotonic)

    def next_fault(self, of: str) -> str:
        with self.lock:
            self.counts[f"{of} requests"] += 1
            plan: list[str] = getattr(self.settings, of)
            if not plan or self.counts[f"{of} requests"] % self.settings.every:
                return ""
            fault = plan.pop(0)
            self.counts[f"{of} {fault}"] += 1
            return fault

    # --- tables -------------------------------------------------------------------------------------------------------

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["tableReference"]["tableId"]
        with self.lock:
            if name in self.tables:
                raise Refused(409, "duplicate", f"Already Exists: Table {name}")
            if "view" in body:
                self.db.execute(f'CREATE VIEW "{name}" AS {self.translate(body["view"]["query"])}')
            else:
                columns = ", ".join(f'"{f["name"]}" {f["type"]}' for f in body["schema"]["fields"])
                self.db.execute(f'CREATE TABLE "{name}__raw" (seen_at REAL, {columns})')
                self.booleans |= {f["name"] for f in body["schema"]["fields"] if f["type"] == "BOOLEAN"}
                names = ", ".join(f'"{f["name"]}"' for f in body["schema"]["fields"])
                self.db.execute(f'CREATE VIEW "{name}" AS SELECT {names} FROM "{name}__raw" WHERE seen_at <= stub_now()')
            self.tables[name] = body | {"creationTime": str(time.time_ns() // 1_000_000)}
            return self.tables[name]

    def drop(self, name: str) -> None:
        with self.lock:
            if name not in self.tables:
                raise Refused(404, "notFound", f"Not found: Table {name}")
            self.db.execute(f'DROP VIEW "{name}"')
            self.db.execute(f'DROP TABLE IF EXISTS "{name}__raw"')
            del self.tables[name]

    # --- insertAll ----------------------------------------------------------------------------------------------------

    @staticmethod
    def value(column: dict[str, str], value: Any) -> Any:
        if value is None:
            return None
        kind = column["type"]
        if kind == "INTEGER":
            return int(value)
        if kind == "FLOAT":
            return float(value)
        if kind == "BOOLEAN":
            if not isinstance(value, bool):
                raise ValueError
            return value
        if not isinstance(value, str):
            raise ValueError
        return value

    def fit(self, table: dict[str, Any], row: dict[str, Any]) -> tuple[list[Any], dict[str, str] | None]:
        columns = {f["name"]: f for f in table["schema"]["fields"]}
        for name in row:
            if name not in columns:
                return [], {"reason": "invalid", "location": name, "message": f"no such field: {name}."}
        values = []
        for name, column in columns.items():
            try:
                values.append(self.value(column, row.get(name)))
            except (ValueError, TypeError):
                words = f"Cannot convert value to {column['type'].lower()} (bad value): {row.get(name)}"
                return [], {"reason": "invalid", "location": name, "message": words}
        return values, None

    def insert(self, name: str, body: dict[str, Any], fault: str) -> dict[str, Any]:
        with self.lock:
            table = self.tables.get(name)
            if table is None or "schema" not in table:
                raise Refused(404, "notFound", f"Not found: Table {name}")
            rows = body.get("rows") or []
            if not rows:
                raise Refused(400, "invalid", "No rows present in the request.")
            if len(rows) > self.settings.rows_max:
                self.counts["too many rows"] += 1
                words = f"too many rows present in the request, limit: {self.settings.rows_max} row count: {len(rows)}."
                raise Refused(400, "invalid", words)
            if any(len(row.get("insertId", "")) > 128 for row in rows):
                raise Refused(400, "invalid", "insertId is longer than 128 characters")
            fitted = [self.fit(table, row["json"]) for row in rows]
            if any(error for _, error in fitted):
                self.counts["requests with an invalid row"] += 1
                return self.errors([error or {"reason": "stopped", "message": ""} for _, error in fitted])
            left_out = set(range(0, len(rows), 3)) if fault == "rows" else set()
            self.store(name, [(rows[i], fitted[i][0]) for i in range(len(rows)) if i not in left_out])
            failed = {"reason": "backendError", "message": "try again"}
            return self.errors([failed if i in left_out else None for i in range(len(rows))])

    @staticmethod
    def errors(of_rows: list[dict[str, str] | None]) -> dict[str, Any]:
        answer: dict[str, Any] = {"kind": "bigquery#tableDataInsertAllResponse"}
        found = [{"index": i, "errors": [error]} for i, error in enumerate(of_rows) if error]
        return answer | ({"insertErrors": found} if found else {})

    def store(self, name: str, rows: list[tuple[dict[str, Any], list[Any]]]) -> None:
        now = time.monotonic()
        seen_at = now + self.settings.unseen_seconds
        fresh = []
        for row, values in rows:
            key = (name, row.get("insertId", ""))
            if key[1] and now - self.ids.get(key, float("-inf")) < self.settings.dedup_seconds:
                self.counts["rows known by insertId"] += 1
                continue
            self.ids[key] = now
            fresh.append([seen_at, *values])
        if fresh:
            marks = ", ".join("?" * len(fresh[0]))
            self.db.executemany(f'INSERT INTO "{name}__raw" VALUES ({marks})', fresh)
        self.counts["rows stored"] += len(fresh)

    def apply_late(self, name: str, body: dict[str, Any]) -> None:
        """Nobody is there any more to hear the answer."""
        self.insert(name, body, "")
        self.counts["late applied"] += 1

    def insert_all(self, name: str, raw: bytes) -> dict[str, Any]:
        fault = self.next_fault("insert")
        if fault in REFUSALS and fault not in ("backend", "internal"):
            raise Refused(*REFUSALS[fault])
        body = json.loads(raw)
        if fault == "late":
            threading.Timer(self.settings.late_seconds, self.apply_late, (name, body)).start()
            raise Cut
        if fault == "cut":
            raise Cut
        if fault == "backend before":
            raise Refused(*REFUSALS["backend"])
        answer = self.insert(name, body, fault)
        if fault == "lost":
            raise Cut
        if fault in REFUSALS:
            raise Refused(*REFUSALS[fault])
        return answer

    # --- queries ------------------------------------------------------------------------------------------------------

    @staticmethod
    def translate(sql: str) -> str:
        return re.sub(r"\bIF\(", "IIF(", re.sub(NAME, r'"\1"', sql))

    def cell(self, name: str, value: Any) -> dict[str, Any]:
        if value is not None and name in self.booleans:
            return {"v": "true" if value else "false"}
        return {"v": None if value is None else str(value)}

    def run(self, body: dict[str, Any]) -> dict[str, Any]:
        fault = self.next_fault("query")
        job = {"projectId": "p", "jobId": f"job_{self.counts['query requests']}"}
        if fault in REFUSALS:
            raise Refused(*REFUSALS[fault])
        if fault == "incomplete":
            return {"kind": "bigquery#queryResponse", "jobReference": job, "jobComplete": False}
        if fault == "cut":
            raise Cut
        with self.lock:
            try:
                cursor = self.db.execute(self.translate(body["query"]))
            except sqlite3.Error as error:
                raise Refused(400, "invalidQuery", f"{error} in {body['query'][:200]}") from error
            names = [column[0] for column in cursor.description or []]
            rows = cursor.fetchall()
        most = int(body.get("maxResults") or len(rows) or 1)
        answer: dict[str, Any] = {
            "kind": "bigquery#queryResponse", "jobReference": job, "jobComplete": True, "cacheHit": False,
            "schema": {"fields": [{"name": n, "type": "STRING", "mode": "NULLABLE"} for n in names]},
            "totalRows": str(len(rows)), "totalBytesProcessed": "0",
        }
        if rows:
            answer["rows"] = [{"f": [self.cell(n, v) for n, v in zip(names, row, strict=True)]} for row in rows[:most]]
        if len(rows) > most:
            answer["pageToken"] = "more"
        if fault == "errors":  # "some of the data was not read": a warning beside rows that may be too few
            answer["errors"] = [{"reason": "backendError", "message": "results may be incomplete"}]
            answer.pop("rows", None)
            answer["totalRows"] = "0"
        return answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def answer(self, status: int, body: Any) -> None:
        raw = json.dumps(body, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def handle_one(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self.answer(200, self.do(raw))
        except Refused as refused:
            self.answer(refused.status, refused.body())
        except Cut:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.close_connection = True
            self.connection.close()
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = handle_one

    def do(self, raw: bytes) -> Any:
        path = self.path.split("?")[0]
        if path == "/stub":
            return self.control(raw)
        found = re.fullmatch(r"/bigquery/v2/projects/[^/]+/(.*)", path)
        parts = found[1].split("/") if found else [""]
        match self.command, parts:
            case "POST", ["datasets"]:
                self.store.datasets.add(json.loads(raw)["datasetReference"]["datasetId"])
                return {}
            case "GET", ["datasets", name]:
                if name not in self.store.datasets:
                    raise Refused(404, "notFound", f"Not found: Dataset {name}")
                return {"id": name}
            case "POST", ["datasets", _, "tables"]:
                return self.store.create(json.loads(raw))
            case "GET", ["datasets", _, "tables", name]:
                with self.store.lock:
                    self.store.counts["tables read"] += 1
                if name not in self.store.tables:
                    raise Refused(404, "notFound", f"Not found: Table {name}")
                return self.store.tables[name]
            case "DELETE", ["datasets", _, "tables", name]:
                self.store.drop(name)
                return {}
            case "POST", ["datasets", _, "tables", name, "insertAll"]:
                if len(raw) > self.store.settings.bytes_max:
                    self.store.counts["too large"] += 1
                    raise Refused(413, "requestTooLarge", "Request payload size exceeds the limit")
                return self.store.insert_all(name, raw)
            case "POST", ["queries"]:
                return self.store.run(json.loads(raw))
        raise Refused(404, "notFound", f"Not found: {self.command} {self.path}")

    def control(self, raw: bytes) -> dict[str, Any]:
        with self.store.lock:
            for name, value in (json.loads(raw) if raw else {}).items():
                assert name in asdict(self.store.settings), f"{name} is no setting"
                setattr(self.store.settings, name, value)
            return {"counts": dict(self.store.counts)} | asdict(self.store.settings)


def main() -> None:
    Handler.store = Store()
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
