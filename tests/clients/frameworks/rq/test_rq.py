"""RQ: queues as lists, jobs as hashes, registries as sorted sets, results as streams; workers in burst mode."""

import datetime
import signal

import pytest
from rq import Callback, Queue, Repeat, Retry, SimpleWorker, Worker
from rq.job import Dependency, Job, JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.scheduler import RQScheduler

import jobs


@pytest.fixture
def raw(connect):
    connection = connect()
    connection.flushdb()
    return connection


@pytest.fixture
def queue(raw):
    return Queue("work", connection=raw)


def url(connection):
    place = connection.connection_pool.connection_kwargs
    return f"redis://127.0.0.1:{place['port']}/{place['db']}"


def burst(*queues):
    """A worker of this process runs what there is."""
    worker = SimpleWorker(queues, connection=queues[0].connection)
    worker.work(burst=True, logging_level="CRITICAL")


def test_a_burst(queue, raw):
    made = [queue.enqueue(jobs.square, n) for n in range(100)]
    many = queue.enqueue_many([Queue.prepare_data(jobs.square, [n]) for n in range(100, 120)])
    assert queue.count == 120 and queue.job_ids == [job.id for job in made + many]
    assert made[0].get_status() == JobStatus.QUEUED
    burst(queue)
    assert [job.return_value(refresh=True) for job in made + many] == [n * n for n in range(120)]
    assert {job.get_status() for job in made} == {JobStatus.FINISHED}
    assert queue.count == 0 and FailedJobRegistry(queue=queue).count == 0
    assert FinishedJobRegistry(queue=queue).count == 120 and StartedJobRegistry(queue=queue).count == 0
    assert 0 < raw.ttl(made[0].key) <= 500
    assert Worker.all(connection=raw) == []


def test_two_workers_in_processes(queue, start, raw):
    """They fork a process for each job, and share the queue; a job that kills its process fails."""
    made = [queue.enqueue(jobs.note, n) for n in range(20)]
    deadly = queue.enqueue(jobs.dies)
    workers = [
        start("-m", "rq.cli", "worker", "--url", url(raw), "--burst", "--quiet", "--name", name, "work") for name in "ab"
    ]
    for worker in workers:
        assert worker.wait() == 0
    assert sorted(raw.lrange("order", 0, -1), key=int) == [b"%d" % n for n in range(20)]
    assert {job.get_status() for job in made} == {JobStatus.FINISHED}
    assert {job.latest_result().worker_name for job in made} <= {"a", "b"}
    assert FailedJobRegistry(queue=queue).get_job_ids() == [deadly.id]
    assert "SIGKILL" in deadly.latest_result().exc_string or "unexpectedly" in deadly.latest_result().exc_string


def test_failures(queue, raw):
    broken = queue.enqueue(jobs.fail, "on purpose", on_failure=Callback(jobs.report_failure))
    healing = queue.enqueue(jobs.fail_unless_tried, 3, retry=Retry(max=3))
    hopeless = queue.enqueue(jobs.fail_unless_tried, 99, retry=Retry(max=1))
    burst(queue)
    assert broken.get_status() == JobStatus.FAILED and "ValueError: on purpose" in broken.latest_result().exc_string
    assert raw.lrange("reported", 0, -1) == [f"{broken.id}: on purpose".encode()]
    assert healing.return_value(refresh=True) == 3
    assert raw.get(f"tried:{hopeless.id}") == b"2"
    failed = FailedJobRegistry(queue=queue)
    assert sorted(failed.get_job_ids()) == sorted([broken.id, hopeless.id])
    # What failed can be tried again, or forgotten.
    raw.set(f"tried:{hopeless.id}", 98)
    failed.requeue(hopeless.id)
    assert queue.job_ids == [hopeless.id]
    burst(queue)
    assert hopeless.return_value(refresh=True) == 99
    assert failed.get_job_ids() == [broken.id]
    failed.remove(broken, delete_job=True)
    assert failed.count == 0 and not Job.exists(broken.id, connection=raw)


def test_schedules(queue, raw):
    now = datetime.datetime.now(datetime.timezone.utc)
    due = queue.enqueue_at(now - datetime.timedelta(seconds=5), jobs.note, "due")
    earlier = queue.enqueue_at(now - datetime.timedelta(seconds=9), jobs.note, "earlier")
    later = queue.enqueue_in(datetime.timedelta(hours=1), jobs.note, "later")
    registry = ScheduledJobRegistry(queue=queue)
    assert registry.get_job_ids() == [earlier.id, due.id, later.id]
    assert queue.count == 0 and later.get_status() == JobStatus.SCHEDULED
    scheduler = RQScheduler([queue], connection=raw)
    rival = RQScheduler([queue], connection=raw)
    assert scheduler.acquire_locks() == {"work"} and rival.acquire_locks() == set()
    scheduler.enqueue_scheduled_jobs()
    assert queue.job_ids == [earlier.id, due.id] and registry.get_job_ids() == [later.id]
    burst(queue)
    assert raw.lrange("order", 0, -1) == [b"earlier", b"due"]
    scheduler.release_locks()
    assert rival.acquire_locks() == {"work"}
    rival.release_locks()


def test_a_worker_with_a_scheduler(queue, raw, start, until):
    """It runs what becomes due and what repeats itself, until it is told to go."""
    queue.enqueue_in(datetime.timedelta(milliseconds=50), jobs.note, "soon", repeat=Repeat(times=2, interval=0))
    later = queue.enqueue_in(datetime.timedelta(hours=1), jobs.note, "later")
    worker = start("-m", "rq.cli", "worker", "--url", url(raw), "--with-scheduler", "--quiet", "work")
    until("it has run three times", lambda: raw.llen("order") == 3)
    until("nothing runs", lambda: StartedJobRegistry(queue=queue).count == 0)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert raw.lrange("order", 0, -1) == [b"soon"] * 3
    assert ScheduledJobRegistry(queue=queue).get_job_ids() == [later.id] and queue.count == 0


def test_dependencies(queue, raw):
    first = Queue("first", connection=raw)
    parents = [queue.enqueue(jobs.note, f"parent {n}") for n in range(3)]
    child = first.enqueue(jobs.note, "child", depends_on=parents)
    broken = queue.enqueue(jobs.fail, "on purpose")
    never = first.enqueue(jobs.note, "never", depends_on=broken)
    anyway = first.enqueue(jobs.note, "anyway", depends_on=Dependency(broken, allow_failure=True))
    assert child.get_status() == JobStatus.DEFERRED and first.count == 0
    burst(first, queue)
    assert raw.lrange("order", 0, -1) == [b"parent 0", b"parent 1", b"parent 2", b"child", b"anyway"]
    assert child.get_status() == anyway.get_status() == JobStatus.FINISHED
    assert never.get_status() == JobStatus.DEFERRED


def test_order_and_cancellation(queue, raw):
    high = Queue("high", connection=raw)
    queue.enqueue(jobs.note, "second")
    queue.enqueue(jobs.note, "first", at_front=True)
    canceled = queue.enqueue(jobs.note, "canceled")
    high.enqueue(jobs.note, "high")
    canceled.cancel()
    assert len(queue) == 2
    burst(high, queue)
    assert raw.lrange("order", 0, -1) == [b"high", b"first", b"second"]
    assert canceled.get_status() == JobStatus.CANCELED
