"""What networks do, in short; tests/faults counts the same and more over hours. Kills are in test_kill,
test_neighbours and test_engines, the log's own faults in test_topics, those of one sink in its test_*_faults."""

import proxy
from lab import Lab
from proxy import Fault, Proxy

PLACES = {"REDIS_PORT": proxy.REDIS, "ELASTICSEARCH_PORT": proxy.ELASTICSEARCH, "BIGQUERY_PORT": proxy.BIGQUERY}
# So that there are many requests in few records.
SMALL = {
    "REDIS_BATCH_SIZE": 20, "REDIS_MAX_BUFFER_SIZE": 20, "ELASTICSEARCH_BATCH_SIZE": 50, "BIGQUERY_BATCH_SIZE": 200,
    "REDIS_FLUSH_INTERVAL_MS": 20, "ELASTICSEARCH_FLUSH_INTERVAL_MS": 20, "BIGQUERY_FLUSH_INTERVAL_MS": 50,
}


def proxies(lab: Lab) -> dict[str, Proxy]:
    made = {key: Proxy(int(lab.services.environment[key]), protocol) for key, protocol in PLACES.items()}
    lab.closers += [one.close for one in made.values()]
    return made


def test_late_requests_are_refused_absorbed_or_counted(lab: Lab) -> None:
    """Each arrives after its repeat, or between others. BigQuery cannot refuse it: its table has the row twice then."""
    lab.prefill(8_000, "--mix", "90:8:2")
    places = proxies(lab)
    engine = lab.engine(**SMALL, **{key: one.port for key, one in places.items()})
    engine.init()
    for one in places.values():
        one.inject(Fault.LATE, count=10, every=3, behind=4)
    engine.start()
    report = lab.assert_equal(engine)
    late = {key: one.delivered_late for key, one in places.items()}
    print(f"\nlate requests {late}, rows doubled in BigQuery's table {report.duplicates}")
    assert all(late.values())


def test_everything_a_network_does_at_once(lab: Lab) -> None:
    lab.prefill(8_000, "--mix", "90:8:2")
    places = proxies(lab)
    # A request that nobody answers is given up after these.
    waits = {"REDIS_POOL_TIMEOUT_MS": 1000, "ELASTICSEARCH_READ_TIMEOUT_MS": 2000, "BIGQUERY_READ_TIMEOUT_MS": 2000}
    engine = lab.engine(**SMALL, **waits, **{key: one.port for key, one in places.items()})
    engine.init()
    for one in places.values():
        for number, fault in enumerate(Fault):
            one.inject(fault, count=2, every=3 + number, seconds=0.2, behind=3)
    engine.start()
    report = lab.assert_equal(engine)
    for key, one in places.items():
        print(f"\n{key}: {({fault.value: times for fault, times in one.done.items()})}", end="")
        assert one.done[Fault.DUPLICATE] > 0 and one.done[Fault.CORRUPT] > 0
    print(f"\nrows doubled in BigQuery's table {report.duplicates}")
