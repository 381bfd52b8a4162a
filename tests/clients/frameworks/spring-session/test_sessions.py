"""Sessions that end are heard of by every node of an application, which then cleans up its indexes."""

import contextlib

import pytest

from sessions import INDEX, PREFIX, Repository, minute

HOUR = 3_600_000


@pytest.fixture
def nodes(connect, database):
    """Two nodes of one application."""
    client = connect()
    client.flushdb()
    before = client.config_get("notify-keyspace-events")["notify-keyspace-events"]
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Repository(connect(), database)) for _ in range(2)]
    client.config_set("notify-keyspace-events", before)


def test_the_setting_reads_back(nodes):
    assert nodes[0].client.config_get("notify-keyspace-events") == {"notify-keyspace-events": "gxE"}


def test_sessions_end(nodes, until):
    users = ["ann", "bob", "cy"]
    short = {nodes[n % 2].create(users[n % 3], 50 + 5 * n): users[n % 3] for n in range(60)}
    long = {nodes[n % 2].create(users[n % 3], HOUR): users[n % 3] for n in range(9)}
    for node in nodes:
        until("all ends are heard", lambda: len(node.heard["expired"]) >= len(short))
        # Once each, when the hash could still be read, and by no other name.
        assert sorted(node.heard["expired"]) == sorted(short.items())
        assert sorted(node.heard["created"]) == sorted([*short, *long])
        assert node.heard["deleted"] == []
    for user in users:
        left = {session for session, owner in long.items() if owner == user}
        until(f"the index of {user} is clean", lambda: nodes[0].of_user(user) == left)
    assert all(nodes[1].get(session) is None for session in short)
    assert all(nodes[1].get(session)[b"sessionAttr:user"].endswith(long[session].encode()) for session in long)


def test_an_empty_index_is_gone(nodes, until):
    session = nodes[0].create("dee", HOUR)
    nodes[1].delete(session)
    for node in nodes:
        until("the end is heard", lambda: node.heard["deleted"])
        assert node.heard["deleted"] == [(session, "dee")] and node.heard["expired"] == []
    until("the index is gone", lambda: nodes[0].client.exists(f"{INDEX}:dee") == 0)
    assert nodes[0].get(session) is None


def test_who_is_active_stays(nodes, until):
    """The end of a session that was prolonged is not heard, though that of one that was to end later is."""
    active = nodes[0].create("eve", HOUR)
    client = nodes[0].client
    # In one transaction, so that it cannot end between.
    pipe = client.pipeline()
    pipe.pexpire(f"{PREFIX}:sessions:expires:{active}", 30)
    nodes[0].last_until(pipe, active, 0, 2 * HOUR)
    pipe.execute()
    ending = nodes[1].create("eve", 60)
    for node in nodes:
        until("the other's end is heard", lambda: node.heard["expired"])
        assert node.heard["expired"] == [(ending, "eve")]
    assert nodes[1].get(active) is not None
    assert HOUR < client.pttl(f"{PREFIX}:sessions:expires:{active}") <= 2 * HOUR
    until("the index is clean", lambda: nodes[0].of_user("eve") == {active})


def test_the_sweeper_has_them_expire(nodes, until):
    sessions = [nodes[0].create("flo", 20) for _ in range(10)]
    kept = nodes[0].client.hmget(f"{PREFIX}:sessions:{sessions[0]}", "creationTime", "maxInactiveInterval")
    first = minute(sum(map(int, kept)))
    kept = nodes[0].client.hmget(f"{PREFIX}:sessions:{sessions[-1]}", "creationTime", "maxInactiveInterval")
    last = minute(sum(map(int, kept)))
    assert sum(nodes[1].sweep(at) for at in {first, last}) == 10
    assert nodes[0].client.keys(f"{PREFIX}:expirations:*") == []
    for node in nodes:
        until("all ends are heard", lambda: len(node.heard["expired"]) >= 10)
        assert sorted(session for session, _ in node.heard["expired"]) == sorted(sessions)


def test_touched_sessions_move_to_a_later_minute(nodes):
    session = nodes[0].create("gus", HOUR)
    nodes[1].touch(session, 3 * HOUR)
    [key] = nodes[0].client.keys(f"{PREFIX}:expirations:*")
    assert nodes[0].client.smembers(key) == {session.encode()}
    kept = nodes[0].get(session)
    assert kept[b"maxInactiveInterval"] == str(3 * HOUR).encode()
    assert int(key.rpartition(b":")[2]) == minute(int(kept[b"lastAccessedTime"]) + 3 * HOUR)
    assert nodes[0].heard["expired"] == nodes[1].heard["expired"] == []


def test_only_what_was_asked_for_is_told(nodes, connect, database, until):
    """Egx: events of generic commands and of expiry, by event; a `set` or a keyspace channel is not heard."""
    client = connect(decode_responses=True)
    listener = client.pubsub()
    listener.psubscribe(f"__key*@{database}__:*")
    assert listener.get_message(timeout=60)["type"] == "psubscribe"
    client.hset("h", "f", "v")
    client.set("s", 1, px=20)
    client.expire("h", 100)
    client.persist("h")
    client.rename("h", "i")
    client.copy("i", "j")
    client.unlink("i")
    client.sadd("set", 1)
    client.srem("set", 1)
    client.pexpire("j", -1)
    until("it has expired", lambda: client.exists("s") == 0)
    client.set("last", 1)
    client.delete("last")
    told = []
    while not told or told[-1] != ("del", "last"):
        message = listener.get_message(timeout=60)
        told.append((message["channel"].partition(":")[2], message["data"]))
    listener.close()
    expiry = ("expired", "s")
    assert told.count(expiry) == 1
    told.remove(expiry)
    assert told == [
        ("expire", "s"),
        ("expire", "h"),
        ("persist", "h"),
        ("rename_from", "h"),
        ("rename_to", "i"),
        ("copy_to", "j"),
        ("del", "i"),
        ("del", "set"),
        ("del", "j"),
        ("del", "last"),
    ]
