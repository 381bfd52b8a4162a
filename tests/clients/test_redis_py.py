"""redis-py with its defaults (a RESP3 handshake) does a session's work.

The server listens on SEEDIS_PORT and is flushed before each test.
"""

import os

import pytest
import redis

PORT = int(os.environ["SEEDIS_PORT"])


@pytest.fixture(params=["default", "resp2", "hiredis-free text"])
def client(request):
    options = {
        "default": {},
        "resp2": {"protocol": 2},
        "hiredis-free text": {"decode_responses": True},
    }[request.param]
    with redis.Redis(port=PORT, socket_timeout=10, **options) as client:
        client.flushall()
        yield client


def text(value):
    """What `decode_responses` leaves as bytes, as text."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)):
        return [text(element) for element in value]
    return value


def test_handshake(client):
    assert client.ping() is True
    assert client.client_id() > 0
    assert client.client_setname("tester")
    assert text(client.client_getname()) == "tester"
    me = client.client_info()
    assert me["name"] == "tester" and me["lib-name"] == "redis-py"
    assert any(int(other["id"]) == me["id"] for other in client.client_list())


def test_strings(client):
    assert client.set("k", "v") is True
    assert text(client.get("k")) == "v"
    assert client.get("missing") is None
    assert client.set("k", "w", nx=True) is None
    assert text(client.set("k", "w", get=True)) == "v"
    assert client.append("k", "xyz") == 4
    assert text(client.getrange("k", 1, -1)) == "xyz"
    assert client.setrange("k", 6, "!") == 7
    assert text(client.get("k")) == "wxyz\0\0!"
    assert client.strlen("k") == 7
    assert client.mset({"a": 1, "b": 2})
    assert text(client.mget("a", "b", "c")) == ["1", "2", None]
    assert client.msetnx({"a": 1, "new": 2}) in (0, False)
    assert client.incr("a") == 2 and client.incrby("a", 40) == 42 and client.decr("a") == 41
    assert client.incrbyfloat("a", 0.5) == 41.5
    assert text(client.getdel("b")) == "2" and client.exists("b") == 0
    binary = bytes(range(256)) * 400
    client.set("binary", binary)
    assert client.strlen("binary") == len(binary)
    with pytest.raises(redis.ResponseError, match="value is not an integer or out of range"):
        client.incr("k")


def test_keys_and_expiry(client):
    client.mset({f"key:{i}": i for i in range(100)})
    assert client.dbsize() == 100
    assert client.exists("key:1", "key:2", "nokey") == 2
    assert client.type("key:1") in (b"string", "string")
    assert client.expire("key:1", 100) and 0 < client.ttl("key:1") <= 100
    assert client.pexpireat("key:2", 1) and client.get("key:2") is None
    assert client.ttl("key:3") == -1 and client.ttl("key:2") == -2
    assert client.persist("key:1") and client.ttl("key:1") == -1
    assert client.set("short", "v", px=100000) and 0 < client.pttl("short") <= 100000
    assert text(client.getex("short", persist=True)) == "v" and client.pttl("short") == -1
    assert client.rename("key:3", "renamed") and text(client.get("renamed")) == "3"
    assert client.copy("renamed", "copied") and client.touch("copied", "renamed") == 2
    assert client.unlink("copied") == 1 and client.delete("renamed", "nokey") == 1
    assert len(client.keys("key:1*")) == 11
    assert text(client.randomkey()) is not None
    assert {text(key) for key in client.scan_iter("key:4*", count=7)} == {
        f"key:{n}" for n in [4, *range(40, 50)]
    }
    with pytest.raises(redis.ResponseError, match="no such key"):
        client.rename("nokey", "k")


def test_databases(client):
    client.set("k", "zero")
    with redis.Redis(port=PORT, db=3) as other:
        assert other.get("k") is None
        other.set("k", "three")
        assert client.move("k", 3) in (0, False)
        assert client.swapdb(0, 3) and text(client.get("k")) == "three"


def test_transactions(client):
    with client.pipeline() as pipe:
        pipe.set("n", 1).incr("n").get("n")
        assert text(pipe.execute())[1:] == [2, "2"]
    with client.pipeline() as pipe:
        pipe.watch("n")
        client.set("n", 10)
        pipe.multi()
        pipe.incr("n")
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert text(client.get("n")) == "10"

    def double(pipe):
        n = int(pipe.get("n"))
        pipe.multi()
        pipe.set("n", 2 * n).get("n")

    assert text(client.transaction(double, "n")[1:]) == ["20"]
    with client.pipeline() as pipe:
        pipe.set("s", "text").incr("s").set("t", "done")
        results = pipe.execute(raise_on_error=False)
        assert isinstance(results[1], redis.ResponseError) and text(client.get("t")) == "done"


def test_pipelines(client):
    with client.pipeline(transaction=False) as pipe:
        for i in range(10_000):
            pipe.set(f"p:{i}", i)
        assert all(pipe.execute())
        for i in range(10_000):
            pipe.get(f"p:{i}")
        assert text(pipe.execute()) == [str(i) for i in range(10_000)]


def test_pubsub(client):
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("news")
        pubsub.psubscribe("new*")
        # The confirmations say that both subscriptions stand.
        while client.pubsub_numpat() < 1:
            pubsub.get_message(timeout=0.01)
        assert client.publish("news", "hello") == 2
        got = []
        while len(got) < 2:
            message = pubsub.get_message(timeout=10)
            if message is not None:
                got.append((message["type"], text(message["data"])))
        assert sorted(got) == [("message", "hello"), ("pmessage", "hello")]
        assert dict(client.pubsub_numsub("news")) in ({b"news": 1}, {"news": 1})
        assert client.pubsub_numpat() == 1


def test_introspection(client):
    info = client.info()
    assert info["redis_version"].count(".") == 2 and info["tcp_port"] == PORT
    assert info["role"] == "master" and info["connected_clients"] >= 1
    assert client.info("memory")["used_memory"] > 0
    assert client.config_get("maxmemory*").keys() >= {"maxmemory", "maxmemory-policy"}
    before = client.config_get("slowlog-max-len")["slowlog-max-len"]
    assert client.config_set("slowlog-max-len", 99)
    assert client.config_get("slowlog-max-len")["slowlog-max-len"] == "99"
    assert client.config_set("slowlog-max-len", before)
    names = {text(name) for name in client.execute_command("COMMAND LIST")}
    assert client.command_count() == sum("|" not in name for name in names)
    assert names >= {"get", "set", "multi", "subscribe", "config|get", "client|list"}
    assert client.command_getkeys("MSET", "a", 1, "b", 2) in (["a", "b"], [b"a", b"b"])
    assert isinstance(client.slowlog_get(), list)
    assert client.memory_usage("nokey") is None
    assert client.time()[0] > 1_600_000_000
    assert client.echo("x") in (b"x", "x")
    client.set("n", 12345)
    assert text(client.object("encoding", "n")) == "int"
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.execute_command("NOSUCHCOMMAND", "a")
    with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
        client.execute_command("GET")
