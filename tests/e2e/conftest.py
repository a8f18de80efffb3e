"""Fixtures: the neighbours once for all tests, and a laboratory of its own for each test."""

import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lab import Lab  # noqa: E402
from services import Services, stack  # noqa: E402


@pytest.fixture(scope="session")
def services() -> Services:
    """Started when they are not running; left running, since starting them takes longer than most tests."""
    stack("up")
    stack("create")
    return Services()


@pytest.fixture
def lab(services: Services, tmp_path: Path) -> Iterator[Lab]:
    """Topics of the test's own, filled by the test."""
    yield from closing(Lab(services, tmp_path))


@pytest.fixture
def source_lab(services: Services, tmp_path: Path) -> Iterator[Lab]:
    """The connector's topics, from now on: rows come through PostgreSQL and Debezium."""
    yield from closing(Lab(services, tmp_path, source=True, whole=False))


@pytest.fixture
def whole_source_lab(services: Services, tmp_path: Path) -> Iterator[Lab]:
    """All that all tests have written so far belongs to it."""
    yield from closing(Lab(services, tmp_path, source=True))


def closing(made: Lab) -> Iterator[Lab]:
    try:
        yield made
    finally:
        made.close()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(autouse=True)
def all_services_run(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that stops a service and fails must not fail the next one too."""
    yield
    if "services" in request.fixturenames and request.node.stash.get(FAILED, False):
        stack("up")
