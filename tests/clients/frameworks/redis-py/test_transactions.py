"""redis-py's pipelines: what is sent at once, what is sent as a transaction, and what optimism costs."""

import threading

import pytest
from redis.exceptions import ResponseError, WatchError


def test_a_pipeline_of_many(client):
    pipe = client.pipeline(transaction=False)
    for n in range(5000):
        pipe.set(f"key:{n}", n).incrby(f"key:{n}", 1).get(f"key:{n}")
    replies = pipe.execute()
    assert replies == [reply for n in range(5000) for reply in (True, n + 1, str(n + 1))]
    assert client.dbsize() == 5000


def test_errors_stand_where_they_happened(client):
    for transaction in (False, True):
        client.set("text", "a")
        pipe = client.pipeline(transaction=transaction)
        replies = pipe.set("n", 1).incr("text").incr("n").execute(raise_on_error=False)
        assert replies[0] is True and replies[2] == 2
        assert isinstance(replies[1], ResponseError)
        with pytest.raises(ResponseError, match="Command # 2 .*not an integer"):
            client.pipeline(transaction=transaction).set("n", 1).incr("text").incr("n").execute()
        assert client.get("n") == "2"
    pipe = client.pipeline()
    pipe.set("n", 0).execute_command("GET")
    with pytest.raises(ResponseError, match="wrong number of arguments"):
        pipe.execute()
    assert client.get("n") == "2"


def test_watch(connect, client):
    other = connect()
    client.set("k", 1)
    with client.pipeline() as pipe:
        pipe.watch("k")
        value = int(pipe.get("k"))
        other.set("k", 10)
        pipe.multi()
        pipe.set("k", value + 1)
        with pytest.raises(WatchError):
            pipe.execute()
        assert client.get("k") == "10"
        pipe.watch("k")
        pipe.unwatch()
        other.set("k", 20)
        assert pipe.incr("k").incr("j").execute() == [21, 1]
        pipe.watch("k", "j")
        assert pipe.get("k") == "21"
        pipe.multi()
        assert pipe.incr("k").incr("j").execute() == [22, 2]


def test_transactions_by_many(connect, client):
    """Money moves among accounts by optimistic transactions: none is lost, none is made."""
    accounts = [f"account:{n}" for n in range(3)]
    client.mset(dict.fromkeys(accounts, 1000))
    tries = []

    def move(own, source, target):
        def transfer(pipe):
            tries.append(1)
            held, other = int(pipe.get(source)), int(pipe.get(target))
            pipe.multi()
            pipe.set(source, held - 7)
            pipe.set(target, other + 7)
            pipe.rpush("journal", f"{source} {target}")

        own.transaction(transfer, source, target)

    def work(number):
        own = connect(decode_responses=True)
        for n in range(20):
            source = (number + n) % 3
            move(own, accounts[source], accounts[(source + 1 + n % 2) % 3])

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal = [line.split() for line in client.lrange("journal", 0, -1)]
    assert len(journal) == 80
    assert len(tries) >= 80
    expected = dict.fromkeys(accounts, 1000)
    for source, target in journal:
        expected[source] -= 7
        expected[target] += 7
    assert {account: int(client.get(account)) for account in accounts} == expected
    assert sum(expected.values()) == 3000


def test_scripts_in_pipelines(client):
    """They are loaded when the pipeline runs, whatever the server has forgotten."""
    script = client.register_script("return {KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1])}")
    for turn in (1, 2):
        client.script_flush()
        with client.pipeline() as pipe:
            for n in range(3):
                script(keys=[f"sum:{n}"], args=[n], client=pipe)
            pipe.get("sum:2")
            assert pipe.execute() == [["sum:0", 0], ["sum:1", turn], ["sum:2", 2 * turn], str(2 * turn)]
