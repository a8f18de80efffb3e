"""Contents that become known late, change, or go."""

import json
from typing import Any
from uuid import uuid4

import oracle
from lab import Lab
from services import free_port, until


def content_change(content_id: str, content_type: str, length: int | None, op: str = "c") -> dict[str, Any]:
    return {
        "id": content_id, "slug": content_id, "title": "t", "content_type": content_type, "length_seconds": length,
        "publish_ts": "2026-01-01T00:00:00Z", "__deleted": "true" if op == "d" else "false", "__op": op,
        "__table": "content",
    }


def add_content(lab: Lab, content_id: str, content_type: str, length: int | None) -> None:
    """As PostgreSQL and its connector would: the row first, then its record."""
    lab.services.postgres.run(
        "INSERT INTO content VALUES (%s, %s, 't', %s, %s, now())", (content_id, content_id, content_type, length)
    )
    value = json.dumps(content_change(content_id, content_type, length)).encode()
    lab.services.kafka.produce(lab.content_topic, [(content_id, value)])


def test_an_event_waits_for_its_content(lab: Lab) -> None:
    content_id = str(uuid4())
    engine = lab.engine(ENRICH_WAIT_MS=60000)
    engine.init()
    engine.start()
    lab.produce(lab.flat(1, content_id=content_id, event_type="play", duration_ms=30000))
    until("the miss", 20, lambda: engine.metrics().sum("enrich_misses_total", outcome="first") >= 1)
    assert lab.services.redis.access() == {}
    add_content(lab, content_id, "video", 60)
    lab.assert_equal(engine)
    assert [key[1] for key in lab.services.redis.access()] == ["video"]
    assert engine.metrics().sum("enrich_misses_total", outcome="unknown") == 0


def test_an_event_goes_on_as_unknown_when_its_content_never_comes(lab: Lab) -> None:
    engine = lab.engine(ENRICH_WAIT_MS=300)
    engine.init()
    engine.start()
    lab.produce(lab.flat(1, content_id=str(uuid4()), event_type="play", duration_ms=30000), lab.flat(2))
    lab.assert_equal(engine)
    assert [key[1] for key in lab.services.redis.access()] == ["unknown"]
    assert engine.metrics().sum("enrich_misses_total", outcome="unknown") == 1


def test_a_miss_a_kill_and_a_hit_count_once(lab: Lab) -> None:
    """The repeat after the kill is enriched otherwise than the first time; still each event counts once everywhere."""
    contents = [str(uuid4()) for _ in range(20)]
    for content_id in contents:
        lab.earlier_contents[content_id] = (None,)
    engine = lab.engine(ENRICH_ON_MISS="unknown", CHECKPOINT_INTERVAL_MS=1000)
    engine.init()
    engine.start()
    changes = [lab.flat(i, content_id=contents[i % 20], event_type="play", duration_ms=30000) for i in range(8_000)]
    lab.services.kafka.produce(
        lab.events_topic, [(str(change["id"]), json.dumps(change).encode()) for change in changes]
    )
    until("something applied", 30, lambda: engine.metrics().acked("redis") > 0, 0.01)
    engine.kill()
    for content_id in contents:
        add_content(lab, content_id, "demo", 40)
    engine.start()
    lab.assert_equal(engine)


def test_a_content_that_changes_counts_as_it_is_when_the_event_is_read(lab: Lab) -> None:
    content_id = str(uuid4())
    engine = lab.engine()
    engine.init()
    engine.start()
    add_content(lab, content_id, "video", 60)
    lab.produce(lab.flat(1, content_id=content_id, event_type="play", duration_ms=30000))
    lab.settle(engine)
    update = "UPDATE content SET content_type = 'podcast', length_seconds = 30 WHERE id = %s"
    lab.services.postgres.run(update, (content_id,))
    changed = json.dumps(content_change(content_id, "podcast", 30, "u")).encode()
    lab.services.kafka.produce(lab.content_topic, [(content_id, changed)])
    number = iter(range(2, 1000))

    def counts_as_podcast() -> bool:
        lab.produce(lab.flat(next(number), content_id=content_id, event_type="play", duration_ms=30000))
        lab.settle(engine)
        return any(name == "podcast" for _, name in lab.services.redis.access())

    until("the change", 20, counts_as_podcast)
    lab.earlier_contents[content_id] = (oracle.Content("video", 60),)
    lab.assert_equal(engine)
    first = [s for _, key, _, s in lab.services.elasticsearch.documents() if key == "1"]
    assert (first[0]["content_type"], first[0]["engagement_pct"]) == ("video", 50.0)


def test_without_postgresql_contents_come_from_their_topic(lab: Lab) -> None:
    """PostgreSQL cannot be reached when the engine starts: all it can know was written before it came."""
    contents = [str(uuid4()) for _ in range(20)]
    for content_id in contents:
        add_content(lab, content_id, "video", 60)
    engine = lab.engine(POSTGRES_PORT=free_port(), ENRICH_WAIT_MS=300)
    engine.init()
    engine.start()
    lab.produce(*[lab.flat(i, content_id=contents[i % 20], event_type="play", duration_ms=30000) for i in range(200)])
    lab.assert_equal(engine)
    assert [key[1] for key in lab.services.redis.access()] == ["video"]
    assert "not preloaded from PostgreSQL" in engine.log()
