"""Windows expire when the contract says."""

import time
from datetime import datetime, timedelta, timezone

from lab import Lab
from services import until


def at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_a_window_goes_when_its_time_is_over(lab: Lab) -> None:
    redis = lab.services.redis.client
    now = datetime.now(timezone.utc)
    begin = now.replace(second=0, microsecond=0)
    kept_seconds = (now - begin).seconds + 15
    engine = lab.engine(REDIS_WINDOW_TTL_SECONDS=kept_seconds)
    engine.init()
    engine.start()
    last_minute = begin - timedelta(seconds=1)
    long_ago = begin - timedelta(days=2)
    lab.produce(lab.flat(1, event_ts=at(last_minute)), lab.flat(2, event_ts=at(long_ago)))
    lab.settle(engine)
    key = f"access:by_type:window:{last_minute:%Y%m%d%H%M}"
    assert redis.hgetall(key) == {"unknown": "1"}
    assert redis.expiretime(key) == int(begin.timestamp()) + kept_seconds
    assert not redis.exists(f"access:by_type:window:{long_ago:%Y%m%d%H%M}"), "an old window stays"
    # Applied and counted all the same: a replay is to be seen in the metrics.
    assert engine.metrics().acked("redis") == 2
    until("the window to go", 40, lambda: not redis.exists(key))
    assert time.time() >= begin.timestamp() + kept_seconds - 1
    assert [k for k in redis.keys("*:window:*")] == []


def test_windows_go_by_event_time_not_by_arrival(lab: Lab) -> None:
    engine = lab.engine()
    engine.init()
    engine.start()
    lab.produce(
        lab.flat(1, event_ts="2026-03-29T00:59:59.999999Z"),
        lab.flat(2, event_ts="2026-03-29T03:00:00+02:00"),
        lab.flat(3, event_ts="2024-02-29T23:59:59Z"),
        lab.flat(4, event_ts=1711670400000),
        lab.flat(5, event_ts=1711670400000000),
    )
    lab.assert_equal(engine)
    assert sorted(key[0] for key in lab.services.redis.access()) == [
        "202402292359", "202403290000", "202603290059", "202603290100",
    ]
