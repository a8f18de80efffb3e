"""The terminal monitor on a real screen, beside a running engine: what it shows is what /metrics says."""

import json
import os
import subprocess
import time
from collections.abc import Iterator

import proxy
import pytest
from engine import Engine, binary
from lab import Lab
from services import until


class Screen:
    """anabranch-monitor in tmux, on a server of its own."""

    def __init__(self, env_file: str, columns: int, lines: int, *arguments: str, locale: str = "C.UTF-8") -> None:
        self.server = f"anabranch-test-{os.getpid()}-{columns}-{time.monotonic_ns()}"
        command = [str(binary("anabranch-monitor")), "-e", env_file, "--interval", "0.5", *arguments]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines), "-s", "m",
                  f"LC_ALL={locale} exec {' '.join(command)}", locale=locale)

    def tmux(self, *arguments: str, locale: str = "C.UTF-8") -> str:
        done = subprocess.run(["tmux", "-L", self.server, *arguments], capture_output=True, text=True, timeout=10,
                              env={"PATH": os.environ["PATH"], "LC_ALL": locale, "TERM": "xterm-256color",
                                   "HOME": os.environ["HOME"]})
        return done.stdout

    def text(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "m")

    def keys(self, *names: str) -> None:
        self.tmux("send-keys", "-t", "m", *names)

    def line(self, begins: str) -> str:
        return next((line for line in self.text().splitlines() if line.strip().startswith(begins)), "")

    def close(self) -> None:
        self.tmux("kill-server")


@pytest.fixture
def screens() -> Iterator[list[Screen]]:
    made: list[Screen] = []
    yield made
    for screen in made:
        screen.close()


def facts(engine: Engine) -> dict[str, object]:
    done = subprocess.run(
        [str(binary("anabranch-monitor")), "-e", str(engine.env_file), "--once", "--format", "json", "--interval", "0.5"],
        capture_output=True, text=True, timeout=30, env=engine.environment(),
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_the_screen_says_what_the_metrics_say_at_both_sizes(lab: Lab, screens: list[Screen]) -> None:
    lab.prefill(3000)
    lab.produce({"id": "no number"})
    engine = lab.engine()
    engine.init()
    engine.start()
    screens += [Screen(str(engine.env_file), 80, 24), Screen(str(engine.env_file), 120, 40)]
    lab.settle(engine)
    for screen in screens:
        until("the screen at rest", 20, lambda: " IDLE " in screen.text() or " OK " in screen.text())
        for sink in ("redis", "bigquery", "elasticsearch"):
            row = until(f"{sink} on the screen", 20, lambda: caught_up(screen.line(sink).split()))
            assert row[5 if row[4] != "-" else 5] == "0"
        assert all(len(line) <= (80 if screen is screens[0] else 120) for line in screen.text().splitlines())
        assert "PostgreSQL" in screen.text() and "RUNNING" in screen.text()
    said = facts(engine)
    found = engine.metrics()
    for sink in said["sinks"]:  # type: ignore[attr-defined]
        assert sink["behind_records"] == 0
        assert sink["dead"] == found.sum("sink_events_total", sink=sink["name"], outcome="rejected") == 1
        assert sink["errors"] == found.sum("sink_errors_total", sink=sink["name"])
    boards = lab.services.redis.boards()
    shown = {row["name"]: row["score"] for row in said["neighbours"]["redis"]["top_by_access"]}  # type: ignore[index]
    assert shown and all(float(boards["stats:top_by_access"][name]) == score for name, score in shown.items())
    keys_do_what_the_last_line_says(screens[0])


def caught_up(row: list[str]) -> list[str] | None:
    """name state in/s ack/s p99 behind …; p99 may be two words (≤8 ms)."""
    words = " ".join(row).replace("≤", "<=").replace(" ms", "ms").replace(" s", "s").replace("> 1 min", ">1min").split()
    return words if len(words) >= 8 and words[5] == "0" else None


def keys_do_what_the_last_line_says(screen: Screen) -> None:
    screen.keys("?")
    until("help", 5, lambda: "keys and words" in screen.text())
    screen.keys("x")
    screen.keys("/", "b", "i", "g", "Enter")
    until("the filter", 5, lambda: screen.line("bigquery") and not screen.line("elasticsearch"))
    screen.keys("/", "Enter")
    until("no filter", 5, lambda: bool(screen.line("elasticsearch")))
    screen.keys("s")
    until("the order", 5, lambda: "most first" in screen.text())
    screen.keys("p")
    until("the pause", 5, lambda: "PAUSED" in screen.text())
    screen.keys("q")
    until("the end", 5, lambda: not screen.text().strip())


def test_a_silent_sink_is_shown_as_stalled_and_never_with_a_lag_of_zero(lab: Lab, screens: list[Screen]) -> None:
    lab.prefill(500)
    between = proxy.Proxy(int(lab.services.environment["REDIS_PORT"]), proxy.REDIS)
    lab.closers.append(between.close)
    engine = lab.engine(REDIS_PORT=between.port)
    engine.init()
    engine.start()
    lab.settle(engine)
    screens.append(Screen(str(engine.env_file), 100, 30))
    between.hold()
    lab.prefill(500, seed=2)
    until("a request without answer", 30, between.held, 0.02)
    until("STALLED", 10, lambda: "STALLED" in screens[0].line("redis"))
    said = facts(engine)
    redis = next(sink for sink in said["sinks"] if sink["name"] == "redis")  # type: ignore[attr-defined]
    assert redis["stalled"] and redis["behind_records"] > 0 and said["health"] == "STALLED"
    between.release()
    lab.assert_equal(engine)


def test_an_engine_that_is_gone_is_down_and_nothing_is_shown_as_zero(lab: Lab, screens: list[Screen]) -> None:
    lab.prefill(200)
    engine = lab.engine()
    engine.init()
    engine.start()
    lab.settle(engine)
    screens.append(Screen(str(engine.env_file), 80, 24, "--ascii", locale="C"))
    until("a screen", 10, lambda: bool(screens[0].line("redis")))
    assert screens[0].text().isascii()
    engine.kill()
    until("DOWN", 10, lambda: "* DOWN" in screens[0].text())
    assert screens[0].line("redis").split()[1:5] == ["unknown", "?", "?", "-"]
    said = facts(engine)
    assert said["health"] == "DOWN" and said["engine"]["lag_records"] is None  # type: ignore[index]
