"""A real Prometheus scrapes the engine: the alert rules hold, and every query of the dashboard finds what it asks for."""

import json
import re
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import Engine
from lab import Lab
from services import ROOT, until

RULES = ROOT / "monitor/prometheus"
DASHBOARD = ROOT / "monitor/grafana/anabranch.json"
NAME = re.compile(r"\b(?:anabranch|process)_\w+")
# Nothing is at risk in a healthy test, so retention has no time to tell of; the engine exports +Inf or leaves it out.
MAY_BE_EMPTY = ("anabranch_sink_retention_seconds",)
# It listens before it has opened its storage.
NOT_READY = 503


class Prometheus:
    def __init__(self, directory: Path, engine: Engine) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        config = directory / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            f"rule_files: ['{RULES}/alerts.yml']\n"
            f"scrape_configs: [{{job_name: anabranch, static_configs: [{{targets: ['127.0.0.1:{engine.port}']}}]}}]\n"
        )
        with (directory / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/prometheus",
                 f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log)

    def get(self, path: str, **arguments: str) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == NOT_READY:
                return None
            raise AssertionError(f"{arguments}: {error.read().decode()}") from error
        except OSError:
            return None

    def values(self, expression: str) -> list[Any]:
        found = self.get("query", query=expression)
        return found["result"] if found else []

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def prometheus(lab: Lab) -> Iterator[Prometheus]:
    lab.prefill(2000)
    engine = lab.engine()
    engine.init()
    engine.start()
    lab.settle(engine)
    made = Prometheus(lab.directory, engine)
    yield made
    made.close()


def queries() -> list[tuple[str, str]]:
    dashboard = json.loads(DASHBOARD.read_text())
    return [
        (panel["title"], target["expr"].replace("$instance", ".*").replace("$sink", ".*"))
        for panel in dashboard["panels"] for target in panel.get("targets", [])
    ]


def test_alert_rules_fire_when_they_should_and_only_then() -> None:
    done = subprocess.run(["promtool", "test", "rules", "alerts_test.yml"], cwd=RULES, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_query_of_the_dashboard_and_of_the_alerts_names_what_the_engine_exports(prometheus: Prometheus) -> None:
    until("two scrapes", 30, lambda: prometheus.values("count_over_time(anabranch_build_info[1m]) > 3"))
    exported = set(prometheus.get("label/__name__/values"))
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == 6 and all(rule["health"] == "ok" for rule in rules), rules
    for title, expression in queries() + [(rule["name"], rule["query"]) for rule in rules]:
        names = set(NAME.findall(expression)) - set(MAY_BE_EMPTY)
        assert names <= exported, f"{title}: the engine does not export {names - exported}"
    for title, expression in queries():
        if not any(name in expression for name in MAY_BE_EMPTY):
            assert prometheus.values(expression), f"{title}: {expression} finds nothing"
    assert not prometheus.values('ALERTS{alertstate="firing"}')
