"""Celery, with the server as its broker and as where results go; the workers are processes."""

import datetime
import signal
import time

import pytest
from celery import chain, chord, group
from celery.exceptions import TaskRevokedError

import tasks
from tasks import app

PATIENCE = 60


@pytest.fixture
def worker(client, start, until):
    """Starts a worker with two processes; returns once it consumes."""

    def worker(name, **environment):
        program = start(
            "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "2",
            "--hostname", f"{name}@test", "--loglevel", "critical", "--without-gossip", "--without-mingle",
            **environment,
        )  # fmt: skip
        until(f"{name} answers", lambda: app.control.ping([f"{name}@test"], timeout=1))
        return program

    return worker


def ask(name):
    """What a worker says about itself, as soon as it says it."""
    return app.control.inspect([f"{name}@test"], timeout=PATIENCE)


def ledger(client):
    return client.lrange("ledger", 0, -1)


def test_a_day_of_work(client, worker, until):
    """One worker for all of it, since it takes a second to start."""
    program = worker("one")
    every_task_once(client)
    order_and_parts(client)
    retries_and_failures(client)
    times(client)
    revocation(client, until)
    # All is acknowledged but what the worker holds until its time, which goes back when the worker goes.
    until("all is acknowledged", lambda: client.hlen("unacked") == client.zcard("unacked_index") == 1)
    assert client.llen("celery") == 0
    program.send_signal(signal.SIGTERM)
    assert program.wait(PATIENCE) == 0
    assert client.hlen("unacked") == client.zcard("unacked_index") == 0
    assert client.llen("celery") == 1


def every_task_once(client):
    results = [tasks.add.delay(n, n) for n in range(100)]
    assert [result.get(PATIENCE) for result in results] == [2 * n for n in range(100)]
    assert sorted(ledger(client)) == sorted(f"add {n} {n}" for n in range(100))
    meta = results[7].backend.get_task_meta(results[7].id)
    assert meta["status"] == "SUCCESS" and meta["args"] == [7, 7] and meta["name"] == "tasks.add"
    assert 0 < client.ttl(f"celery-task-meta-{results[7].id}") <= 86400
    results[7].forget()
    assert client.exists(f"celery-task-meta-{results[7].id}") == 0
    large = "x" * 1_000_000
    assert tasks.echo.delay(large, {"å": [1, None, 0.5]}).get(PATIENCE) == [large, {"å": [1, None, 0.5]}]
    client.delete("ledger")


def order_and_parts(client):
    assert chain(tasks.add.s(1, 2), tasks.add.s(10), tasks.add.s(100))().get(PATIENCE) == 113
    assert ledger(client) == ["add 1 2", "add 3 10", "add 13 100"]
    parts = group(tasks.add.s(n, 1) for n in range(20))()
    assert parts.get(timeout=PATIENCE) == list(range(1, 21))
    assert parts.completed_count() == 20
    client.delete("ledger")
    assert chord(tasks.add.s(n, n) for n in range(20))(tasks.total.s()).get(PATIENCE) == 380
    done = ledger(client)
    assert len(done) == 21 and done[-1] == "total"
    # A chord of chords.
    inner = [chord([tasks.add.s(n, 1), tasks.add.s(n, 2)], tasks.total.s()) for n in range(3)]
    assert chord(inner, tasks.total.s())().get(PATIENCE) == sum(2 * n + 3 for n in range(3))
    client.delete("ledger")


def retries_and_failures(client):
    assert tasks.stubborn.delay(2).get(PATIENCE) == 2
    assert ledger(client) == [f"stubborn {n}" for n in range(3)]
    client.delete("ledger")
    hopeless = tasks.stubborn.delay(99)
    with pytest.raises(ValueError, match="not yet"):
        hopeless.get(PATIENCE)
    assert ledger(client) == [f"stubborn {n}" for n in range(4)]
    assert hopeless.status == "FAILURE" and "ValueError: not yet" in hopeless.traceback
    broken = chord([tasks.add.s(1, 1), tasks.stubborn.s(99)])(tasks.total.s())
    with pytest.raises(Exception, match="not yet"):
        broken.get(PATIENCE)
    client.delete("ledger")


def times(client):
    now = time.time()
    later = now + 0.5
    at = datetime.datetime.fromtimestamp(later, datetime.timezone.utc)
    first = tasks.punctual.apply_async([later], eta=at)
    second = tasks.punctual.apply_async([now], countdown=0)
    assert second.get(PATIENCE) is True and first.get(PATIENCE) is True
    assert ledger(client) == [f"punctual {now}", f"punctual {later}"]
    # Who comes too late is not run.
    expired = tasks.add.apply_async([1, 1], expires=datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc))
    with pytest.raises(TaskRevokedError, match="expired"):
        expired.get(PATIENCE)
    assert client.llen("ledger") == 2
    client.delete("ledger")


def revocation(client, until):
    revoked = tasks.add.apply_async([1, 1], countdown=3600)
    until("the worker holds it", lambda: scheduled() == [revoked.id])
    revoked.revoke()
    until("the worker knows", lambda: revoked.id in ask("one").revoked()["one@test"])
    # One that runs is ended.
    running = tasks.endless_at_first.delay()
    until("it runs", lambda: ledger(client) == ["endless"])
    running.revoke(terminate=True, signal="SIGKILL")
    with pytest.raises(TaskRevokedError):
        running.get(PATIENCE)
    assert tasks.add.delay(2, 2).get(PATIENCE) == 4
    client.delete("ledger")


def scheduled():
    return [task["request"]["id"] for task in ask("one").scheduled()["one@test"]]


def test_a_dead_workers_task_is_taken_up(client, worker, until):
    first = worker("first", VISIBILITY_TIMEOUT="1")
    result = tasks.endless_at_first.delay()
    until("it runs", lambda: ledger(client) == ["endless"])
    processes = ask("first").stats()["first@test"]["pool"]["processes"]
    first.kill()
    first.wait()
    until("its processes are gone", lambda: not any(alive(process) for process in processes))
    assert client.zcard("unacked_index") == 1 and result.status == "STARTED"
    until("it is overdue", lambda: time.time() - client.zrange("unacked_index", 0, 0, withscores=True)[0][1] > 1)
    worker("second", VISIBILITY_TIMEOUT="1")
    assert result.get(PATIENCE) is True
    assert ledger(client) == ["endless", "endless"]
    until("it is acknowledged", lambda: client.zcard("unacked_index") == client.hlen("unacked") == 0)


def alive(process):
    """Whether a process runs, and is no zombie."""
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
