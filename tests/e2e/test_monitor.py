"""The terminal monitor on a real screen, beside a running engine: what it shows is what /metrics says."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator

import proxy
import pytest
from engine import Engine, binary
from lab import Lab
from playwright.sync_api import Page, expect, sync_playwright
from services import until

# Nothing but the page's own requests: the browser's background ones would go to the internet.
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
            "--disable-sync"]


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

    def until(self, what: str, condition: Callable[[], bool], seconds: float = 15) -> None:
        try:
            until(what, seconds, condition)
        except AssertionError as error:
            raise AssertionError(f"{error}. The screen:\n{self.text()}") from error

    def keys(self, *names: str) -> None:
        self.tmux("send-keys", "-t", "m", *names)

    def row(self, name: str) -> str:
        """The line of this sink in the table of sinks; "" when it is not shown."""
        _, _, table = self.text().partition(" SINK ")
        return next((line for line in table.splitlines() if line.split()[:1] == [name]), "")

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
        screen.until("the screen at rest", lambda: " IDLE " in screen.text() or " OK " in screen.text())
        for sink in ("redis", "bigquery", "elasticsearch"):
            screen.until(f"{sink} on the screen", lambda: caught_up(screen.row(sink)))
        assert all(len(line) <= (80 if screen is screens[0] else 120) for line in screen.text().splitlines())
        assert "PostgreSQL" in screen.text() and "RUNNING" in screen.text()
    said = facts(engine)
    found = engine.metrics()
    for sink in said["sinks"]:  # type: ignore[attr-defined]
        assert sink["behind_records"] == 0
        assert sink["dead"] == found.sum("sink_events_total", sink=sink["name"], outcome="rejected") == 1
        assert sink["errors"] == found.sum("sink_errors_total", sink=sink["name"])
        assert sink["retries"] == found.sum("sink_retries_total", sink=sink["name"])
    until("the boards of Redis in the facts", 15, lambda: boards_agree(lab, engine))
    keys_do_what_the_last_line_says(screens[0])


def boards_agree(lab: Lab, engine: Engine) -> bool:
    """Redis makes them anew now and then, so the two looks must fall between."""
    shown = {row["name"]: row["score"] for row in facts(engine)["neighbours"]["redis"]["top_by_access"]}  # type: ignore[index]
    boards = lab.services.redis.boards()["stats:top_by_access"]
    return len(shown) == 5 and all(float(boards.get(name, -1)) == score for name, score in shown.items())


def caught_up(row: str) -> bool:
    """name state in/s ack/s p99 behind …; the p99 has a unit behind its number, or is "> 1 min", or "-"."""
    words = re.sub(r"> 1 min|≤\d+(\.\d)? m?s", "p99", row).split()
    return len(words) >= 9 and words[1] == "live" and words[5] == "0"


def keys_do_what_the_last_line_says(screen: Screen) -> None:
    screen.keys("?")
    screen.until("help", lambda: "keys and words" in screen.text())
    screen.keys("x")
    screen.keys("/", "b", "i", "g", "Enter")
    screen.until("the filter", lambda: bool(screen.row("bigquery")) and not screen.row("elasticsearch"))
    screen.keys("/", "Enter")
    screen.until("no filter", lambda: bool(screen.row("elasticsearch")))
    screen.keys("s")
    screen.until("the order", lambda: "most first" in screen.text())
    screen.keys("p")
    screen.until("the pause", lambda: "PAUSED" in screen.text())
    screen.keys("q")
    screen.until("the end", lambda: not screen.text().strip())


def test_a_silent_sink_is_shown_as_stalled_and_never_with_a_lag_of_zero(lab: Lab, screens: list[Screen]) -> None:
    lab.prefill(500)
    lab.generate("--seed", "2", "--count", "0")  # contents of the later records: they are read when the engine starts
    between = proxy.Proxy(int(lab.services.environment["REDIS_PORT"]), proxy.REDIS)
    lab.closers.append(between.close)
    # One long wait for the answer: nothing is sent again while we look.
    engine = lab.engine(REDIS_PORT=between.port, REDIS_POOL_TIMEOUT_MS=30000)
    engine.init()
    engine.start()
    lab.settle(engine)
    screens.append(Screen(str(engine.env_file), 100, 30))
    between.hold()
    lab.prefill(500, seed=2)
    until("a request without answer", 30, between.held, 0.02)
    screens[0].until("STALLED", lambda: "STALLED" in screens[0].row("redis"))
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
    screens[0].until("the engine's first answer", lambda: " live " in screens[0].row("redis"))
    assert screens[0].text().isascii()
    engine.kill()
    screens[0].until("DOWN", lambda: "* DOWN" in screens[0].text())
    assert screens[0].row("redis").split()[1:5] == ["unknown", "?", "?", "-"]
    said = facts(engine)
    assert said["health"] == "DOWN" and said["engine"]["lag_records"] is None  # type: ignore[index]


def test_the_page_updates_and_asks_nobody_else(lab: Lab) -> None:
    lab.prefill(2000)
    engine = lab.engine()
    engine.init()
    engine.start()
    lab.settle(engine)
    command = [str(binary("anabranch-monitor")), "-e", str(engine.env_file), "--web", "--interval", "0.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=engine.environment()) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
                for width in (380, 800, 1920):
                    look_at(browser.new_page(viewport={"width": width, "height": 900}), url, engine, width)
                browser.close()
        finally:
            server.terminate()
    assert server.returncode == 0


def look_at(page: Page, url: str, engine: Engine, width: int) -> None:
    errors: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(url, wait_until="commit")
    expect(page.locator("#sinks tbody tr")).to_have_count(3, timeout=20_000)
    expect(page.locator("#health")).to_have_text(re.compile("OK|IDLE"), timeout=20_000)
    clock = page.text_content("#clock")
    expect(page.locator("#clock")).not_to_have_text(str(clock), timeout=10_000)
    rows = page.locator("#sinks tbody tr")
    for i, sink in enumerate(("redis", "bigquery", "elasticsearch")):
        cells = rows.nth(i).locator("td")
        assert rows.nth(i).locator("th").text_content() == sink
        assert cells.nth(5).text_content().startswith("0")
        assert cells.nth(10).text_content() == f"{engine.metrics().sum('sink_events_total', sink=sink, outcome='rejected'):.0f}"
    assert page.evaluate("document.documentElement.scrollWidth") <= width, f"the page is wider than {width}"
    assert not errors, errors
    assert all(request.startswith(url) for request in requests), requests
    page.close()
