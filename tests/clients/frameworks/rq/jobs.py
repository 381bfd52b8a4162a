"""What RQ's workers run."""

import os
import signal

from rq import get_current_job


def square(n):
    return n * n


def fail(text):
    raise ValueError(text)


def fail_unless_tried(times):
    """Fails until the job has been tried that often."""
    connection = get_current_job().connection
    tried = connection.incr(f"tried:{get_current_job().id}")
    if tried < times:
        raise ValueError(f"attempt {tried}")
    return tried


def note(name):
    get_current_job().connection.rpush("order", name)
    return name


def dies():
    os.kill(os.getpid(), signal.SIGKILL)


def report_failure(job, connection, kind, value, traceback):
    connection.rpush("reported", f"{job.id}: {value}")
