"""redis-py's client-side cache: RESP3 pushes tell it what it must read again."""

import pytest
from redis.cache import CacheConfig


@pytest.fixture
def cached(connect, client):
    return connect(decode_responses=True, protocol=3, cache_config=CacheConfig(max_size=100))


def reads(client):
    """How many GETs the server has done."""
    return client.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"]


def test_what_is_cached_is_not_asked_for(client, cached):
    client.set("k", "v")
    assert cached.get("k") == "v"
    before = reads(client)
    for _ in range(100):
        assert cached.get("k") == "v"
    assert reads(client) == before
    assert cached.get_cache().size == 1


@pytest.mark.parametrize("change", ["set", "delete", "expire", "flush", "script", "transaction", "rename"])
def test_changes_of_others_are_seen(client, cached, until, change):
    client.mset({"k": "old", "other": "new"})
    assert cached.get("k") == "old" and cached.get("k") == "old"
    expected = "new"
    if change == "set":
        client.set("k", "new")
    elif change == "delete":
        client.delete("k")
        expected = None
    elif change == "expire":
        client.pexpire("k", 20)
        expected = None
    elif change == "flush":
        client.flushdb()
        expected = None
    elif change == "script":
        client.eval("redis.call('SET', KEYS[1], 'new')", 1, "k")
    elif change == "transaction":
        client.pipeline().incr("n").set("k", "new").execute()
    elif change == "rename":
        client.rename("other", "k")
    until("the change is seen", lambda: cached.get("k") == expected)


def test_own_changes_are_seen_at_once(cached):
    for n in range(50):
        cached.set("k", n)
        assert cached.get("k") == str(n)


def test_many_keys_in_one_read(client, cached, until):
    client.mset({"a": 1, "b": 2})
    assert cached.mget("a", "b") == ["1", "2"]
    client.set("b", 3)
    until("the change is seen", lambda: cached.mget("a", "b") == ["1", "3"])
    client.hset("h", mapping={"x": 1})
    assert cached.hgetall("h") == {"x": "1"}
    client.hset("h", "y", 2)
    until("the change is seen", lambda: cached.hgetall("h") == {"x": "1", "y": "2"})
