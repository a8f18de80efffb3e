"""Elasticsearch refuses documents, requests or whole indexes, or loses them: each document is there once and newest in the
end, or the loss is told."""

import time

from bulk_proxy import BulkProxy
from lab import Lab
from services import http, until

SINKS = {"elasticsearch"}


def test_documents_refused_one_by_one_end_in_their_newest_version(lab: Lab) -> None:
    """A refused document comes later than newer versions of itself that were not: it must not overtake them."""
    proxy = BulkProxy(int(lab.services.environment["ELASTICSEARCH_PORT"]))
    lab.closers.append(proxy.close)
    proxy.items, proxy.requests = 0.2, 0.2
    engine = lab.engine(SINKS="elasticsearch", ELASTICSEARCH_PORT=proxy.port, ELASTICSEARCH_BATCH_SIZE=100)
    engine.init()
    engine.start()
    # Ten versions of each of fifty rows, close together: many of one request.
    lab.produce(*[
        lab.flat(row, op="c" if version == 0 else "d" if version == 9 and row % 3 == 0 else "u", duration_ms=version)
        for version in range(10) for row in range(50)
    ])
    lab.assert_equal(engine, SINKS)
    found = engine.metrics()
    assert proxy.refused_items > 50 and proxy.refused_requests > 0
    # Each request that was refused as a whole is sent again, and most of those of which single documents were.
    assert found.sum("sink_retries_total", sink="elasticsearch") > proxy.refused_requests
    assert found.sum("duplicates_total", sink="elasticsearch") > 0, "no older version ever came late"
    assert list(lab.services.kafka.dead_letters(lab.dead_letter_topic)) == []
    print(f"\n{proxy.refused_items} documents and {proxy.refused_requests} requests refused")


def test_a_block_of_an_index_is_an_outage_and_no_dead_letter(lab: Lab) -> None:
    search = lab.services.elasticsearch
    engine = lab.engine(SINKS="elasticsearch")
    engine.init()
    engine.start()
    lab.produce(lab.flat(1))
    lab.settle(engine, SINKS)
    # What a full disk does.
    blocks = f"{search.url}/engagement-events-*/_settings"
    http("PUT", blocks, {"index.blocks.read_only_allow_delete": True})
    lab.produce(*[lab.flat(i) for i in range(2, 2000)])
    until("an outage", 20, lambda: engine.metrics().sum("sink_errors_total", error_type="outage") > 1)
    assert "block" in engine.log()
    http("PUT", blocks, {"index.blocks.read_only_allow_delete": None})
    lab.assert_equal(engine, SINKS)
    assert list(lab.services.kafka.dead_letters(lab.dead_letter_topic)) == []


def test_an_index_or_template_deleted_under_us_is_made_again_and_told(lab: Lab) -> None:
    search = lab.services.elasticsearch
    template = f"{search.url}/_index_template/engagement_events_template"
    engine = lab.engine(SINKS="elasticsearch")
    engine.init()
    engine.start()
    lab.produce(*[lab.flat(i) for i in range(100)])
    lab.settle(engine, SINKS)
    time.sleep(6)  # it has looked, and knows the index
    http("DELETE", template)
    until("the template to be back", 15, lambda: "put back" in engine.log())
    index = next(search.documents())[0]
    http("DELETE", f"{search.url}/{index}")
    lab.produce(*[lab.flat(i) for i in range(100, 200)])
    lab.settle(engine, SINKS)
    until("a word about the index", 15, lambda: f"the index {index} was deleted" in engine.log())
    assert {int(key) for _, key, _, _ in search.documents()} == set(range(100, 200))
    mapping = http("GET", f"{search.url}/{index}/_mapping")[index]["mappings"]
    assert mapping["dynamic"] == "false" and mapping["properties"]["device"] == {"type": "keyword"}
    assert engine.metrics().sum("elasticsearch_losses") == 2
