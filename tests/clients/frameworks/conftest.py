"""What the tests in Python share. Each folder has a database of its own."""

import os
import subprocess
import sys
import time

import pytest
import redis

PORT = int(os.environ["SEEDIS_PORT"])
HERE = os.path.dirname(__file__)
DATABASES = {"celery": 4, "rq": 5, "redis-py": 6, "spring-session": 7}

# Nothing here takes longer unless it is lost.
PATIENCE = 60


def wait_until(what, condition):
    """The first true value of `condition()`."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"in vain: waited until {what}"
        time.sleep(0.005)


@pytest.fixture
def until():
    return wait_until


@pytest.fixture(scope="module")
def database(request):
    return DATABASES[request.path.parent.name]


@pytest.fixture(scope="module")
def connect(database):
    """Makes clients of the test's own database."""
    clients = []

    def connect(**options):
        client = redis.Redis(port=PORT, db=database, socket_timeout=PATIENCE, **options)
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def client(connect):
    client = connect(decode_responses=True)
    client.flushdb()
    return client


@pytest.fixture
def start(request):
    """Starts Python programs, in the test's folder, that do not outlive the test."""
    running = []

    def start(*arguments, **environment):
        program = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=request.path.parent,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(program)
        return program

    yield start
    for program in running:
        program.kill()
        program.wait()
        program.stdout.close()
