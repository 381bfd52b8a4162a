"""redis-py's Lock: SET NX PX to take it, Lua scripts to extend and to release it by its holder alone."""

import threading

import pytest
from redis.exceptions import LockError, LockNotOwnedError


def test_one_at_a_time_among_threads(connect, client):
    """What is read is what is written: an update between the two would be lost."""
    client.set("balance", 0)
    inside = []

    def work():
        own = connect(decode_responses=True)
        for _ in range(20):
            with own.lock("guard", timeout=60, sleep=0.001):
                inside.append(1)
                assert len(inside) == 1
                own.set("balance", int(own.get("balance")) + 1)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("balance") == "120"
    assert client.exists("guard") == 0


def test_one_at_a_time_among_processes(client, start):
    """Two processes append to a list, each several lines that belong together."""
    programs = [start("append.py", name) for name in "ab"]
    for program in programs:
        assert program.wait() == 0
    lines = client.lrange("lines", 0, -1)
    assert len(lines) == 2 * 30 * 3
    for at in range(0, len(lines), 3):
        name, number = lines[at].split()[:2]
        assert lines[at : at + 3] == [f"{name} {number} {part}" for part in range(3)]
    assert sorted(lines) == sorted(f"{name} {number} {part}" for name in "ab" for number in range(30) for part in range(3))


def test_who_does_not_wait_gets_nothing(client):
    first = client.lock("guard", timeout=60)
    second = client.lock("guard", timeout=60)
    assert first.acquire()
    assert first.locked() and first.owned() and not second.owned()
    assert second.acquire(blocking=False) is False
    assert second.acquire(blocking_timeout=0.01) is False
    with pytest.raises(LockError):
        second.release()
    first.release()
    assert second.acquire(blocking=False) is True
    with pytest.raises(LockError):
        first.release()
    second.release()


def test_extension(client):
    lock = client.lock("guard", timeout=60)
    assert lock.acquire()
    assert lock.extend(60)
    assert 60_000 < client.pttl("guard") <= 120_000
    assert lock.extend(30, replace_ttl=True)
    assert client.pttl("guard") <= 30_000
    assert lock.reacquire()
    assert 30_000 < client.pttl("guard") <= 60_000
    lock.release()
    with pytest.raises(LockError):
        lock.extend(1)


def test_expiry(client, until):
    """Who overstays loses the lock, and does not release that of the next."""
    slow = client.lock("guard", timeout=0.05)
    next_one = client.lock("guard", timeout=60)
    assert slow.acquire()
    until("the lock is over", lambda: not slow.locked())
    assert next_one.acquire(blocking=False)
    with pytest.raises(LockNotOwnedError):
        slow.extend(1)
    with pytest.raises(LockNotOwnedError):
        slow.reacquire()
    with pytest.raises(LockNotOwnedError):
        slow.release()
    assert next_one.owned()
    next_one.release()


def test_the_scripts_come_back_after_a_flush(client):
    lock = client.lock("guard", timeout=60)
    assert lock.acquire()
    client.script_flush()
    assert lock.extend(1)
    client.script_flush()
    lock.release()
    assert client.exists("guard") == 0
