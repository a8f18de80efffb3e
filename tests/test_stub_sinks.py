#!/usr/bin/env python3
"""The stub sinks of the benches notice what is lost, doubled or broken: else a fast run would say nothing.

    tests/test_stub_sinks.py build/release/bench/stub_sinks
"""
import json
import os
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

# Four in a row; other checks may run beside this one.
PORT = 18000 + os.getpid() * 4 % 8000
PROGRAM = "build/release/bench/stub_sinks"
ROW = {"insertId": "t-0-5", "json": {"id": "7", "version": "9", "kafka_partition": "0", "kafka_offset": "5"}}


def http(port: int, path: str, body: bytes | None = None) -> str:
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body), timeout=5) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def bulk(version: int) -> bytes:
    action = {"index": {"_index": "engagement-events-2026-01-01", "_id": "7", "version": version, "version_type": "external"}}
    return (json.dumps(action) + "\n" + json.dumps({"id": 7, "device": "caf\u00e9"}) + "\n").encode()


class StubSinks(unittest.TestCase):
    def setUp(self) -> None:
        self.process = subprocess.Popen([PROGRAM, str(PORT)], stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", PORT + 3)).close()
                return
            except OSError:
                time.sleep(0.05)

    def tearDown(self) -> None:
        self.process.kill()
        self.process.wait()

    def counts(self) -> dict[str, int]:
        return json.loads(http(PORT + 3, "/"))

    def redis(self, *arguments: object) -> bytes:
        words = [str(a).encode() for a in arguments]
        with socket.create_connection(("127.0.0.1", PORT)) as s:
            s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
            return s.recv(4096)

    def script(self, first: int, following: int, events: int) -> bytes:
        return self.redis("EVALSHA", "sha", 2, "positions", "newest", 1, "content_id", 900, 0, "now", "",
                          1, "0:0", first, following, 1, 29000000, 1, 0, "video", events, 0, 0)

    def test_elasticsearch_takes_a_version_once(self) -> None:
        answers = [http(PORT + 1, "/_bulk?filter_path=x", bulk(v)) for v in (3, 3, 4)]
        self.assertIn('"status":201', answers[0])
        self.assertIn('"status":409', answers[1])
        self.assertIn('"status":200', answers[2])
        self.assertEqual([self.counts()[k] for k in ("es_created", "es_conflicts", "es_updated", "bad")], [1, 1, 1, 0])

    def test_bigquery_tells_a_doubled_row(self) -> None:
        for _ in range(2):
            http(PORT + 2, "/bigquery/v2/projects/p/datasets/d/tables/t/insertAll", json.dumps({"rows": [ROW]}).encode())
        self.assertEqual([self.counts()[k] for k in ("bq_rows", "bq_doubled", "bad")], [1, 1, 0])

    def test_what_is_not_json_is_noticed(self) -> None:
        for body in (b'{"rows":[{"a":01}]}', b'{"rows":[{"a":"\xff"}]}', b'{"rows":[{"a":"\\x"}]}', b'{"rows":[{}]} '):
            self.assertIn("not JSON", http(PORT + 2, "/x/insertAll", body))
        self.assertIn("not JSON", http(PORT + 1, "/_bulk", b'{"index":{}}\n{"id":7\n'))
        self.assertGreaterEqual(self.counts()["bad"], 5)

    def test_redis_moves_positions_without_gaps(self) -> None:
        self.assertIn(b"NOSCRIPT", self.script(0, 10, 10))
        self.redis("SCRIPT", "LOAD", "text")
        self.redis("HSET", "positions", "0:0", 0)
        self.assertEqual(self.script(0, 10, 10), b"*1\r\n$2\r\nOK\r\n")
        self.assertIn(b"DUP", self.script(0, 10, 10))
        self.assertIn(b"MIX", self.script(12, 15, 3))
        self.assertEqual([self.counts()[k] for k in ("redis_events", "redis_dup", "redis_mix")], [10, 1, 1])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        PROGRAM = sys.argv.pop(1)
    unittest.main()
