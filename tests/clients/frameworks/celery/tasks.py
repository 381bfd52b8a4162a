"""The application whose workers the tests start; what it did stands in the list `ledger`."""

import os
import time

import redis
from celery import Celery

URL = f"redis://127.0.0.1:{os.environ['SEEDIS_PORT']}/4"

app = Celery("tasks", broker=URL, backend=URL)
app.conf.update(
    result_extended=True,
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
    task_track_started=True,
    # Who does not acknowledge within it is taken for dead.
    broker_transport_options={"visibility_timeout": float(os.environ.get("VISIBILITY_TIMEOUT", 3600))},
)
ledger = redis.Redis.from_url(URL)


@app.task
def add(x, y):
    ledger.rpush("ledger", f"add {x} {y}")
    return x + y


@app.task
def total(numbers):
    ledger.rpush("ledger", "total")
    return sum(numbers)


@app.task
def echo(*values):
    return values


@app.task(bind=True, max_retries=3)
def stubborn(self, succeeds_at):
    ledger.rpush("ledger", f"stubborn {self.request.retries}")
    if self.request.retries < succeeds_at:
        raise self.retry(countdown=0.05, exc=ValueError("not yet"))
    return self.request.retries


@app.task
def punctual(eta):
    """Is it at least `eta`?"""
    ledger.rpush("ledger", f"punctual {eta}")
    return time.time() >= eta


@app.task(bind=True, acks_late=True)
def endless_at_first(self):
    """Never ends in the first worker that takes it."""
    if ledger.rpush("ledger", "endless") == 1:
        while True:
            time.sleep(1)
    return self.request.delivery_info["redelivered"]
