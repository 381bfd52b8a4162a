"""Web sessions kept as Spring Session's RedisIndexedSessionRepository keeps them.

    spring:session:sessions:ID           hash: times, and attributes as serialized objects; outlives the session by minutes
    spring:session:sessions:expires:ID   an empty string with the session's time to live; its expiry is the session's end
    spring:session:expirations:MINUTE    set of the sessions that end by then: touching them has them expire in time
    spring:session:index:...:USER        set of a user's sessions

Who ends a session hears of it through keyspace notifications, when the hash can still be read, and cleans up.
"""

import threading
import time
import uuid

PREFIX = "spring:session"
INDEX = f"{PREFIX}:index:org.springframework.session.FindByIndexNameSessionRepository.PRINCIPAL_NAME_INDEX_NAME"
GRACE = 300_000  # ms
MINUTE = 60_000


def serialized(text):
    """A java.lang.String as Java writes it."""
    data = text.encode()
    return b"\xac\xed\x00\x05t" + len(data).to_bytes(2, "big") + data


class Repository:
    """One node of the application: its sessions, and what it heard of those of all nodes."""

    def __init__(self, client, database):
        self.client = client
        self.database = database
        self.heard = {"created": [], "deleted": [], "expired": []}
        self.pubsub = client.pubsub()
        self.subscribed = threading.Event()
        self.failure = None

    def __enter__(self):
        self.client.config_set("notify-keyspace-events", "Egx")
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()
        assert self.subscribed.wait(60)
        return self

    def __exit__(self, *_):
        self.pubsub.punsubscribe()
        self.thread.join(60)
        self.pubsub.close()
        assert self.failure is None and not self.thread.is_alive()

    def listen(self):
        try:
            self.pubsub.psubscribe(
                f"__keyevent@{self.database}__:del",
                f"__keyevent@{self.database}__:expired",
                f"{PREFIX}:event:{self.database}:created:*",
            )
            for message in self.pubsub.listen():
                if message["type"] == "psubscribe" and message["data"] == 3:
                    self.subscribed.set()
                elif message["type"] == "pmessage":
                    self.on_message(message["channel"].decode(), message["data"].decode())
                elif message["type"] == "punsubscribe" and message["data"] == 0:
                    return
        except Exception as failure:
            self.failure = failure

    def on_message(self, channel, data):
        if ":created:" in channel:
            self.heard["created"].append(channel.rpartition(":")[2])
            return
        mark = f"{PREFIX}:sessions:expires:"
        if not data.startswith(mark):
            return
        session = data.removeprefix(mark)
        kept = self.client.hgetall(f"{PREFIX}:sessions:{session}")
        user = kept.get(b"sessionAttr:user", b"")[7:].decode()
        self.heard["deleted" if channel.endswith(":del") else "expired"].append((session, user))
        # Each node cleans up: all but the first find it done.
        self.client.srem(f"{INDEX}:{user}", session)

    def create(self, user, milliseconds):
        session = str(uuid.uuid4())
        now = int(time.time() * 1000)
        pipe = self.client.pipeline()
        pipe.hset(
            f"{PREFIX}:sessions:{session}",
            mapping={
                "creationTime": now,
                "lastAccessedTime": now,
                "maxInactiveInterval": milliseconds,
                "sessionAttr:user": serialized(user),
            },
        )
        pipe.sadd(f"{INDEX}:{user}", session)
        pipe.publish(f"{PREFIX}:event:{self.database}:created:{session}", user)
        self.last_until(pipe, session, now, milliseconds)
        pipe.execute()
        return session

    def touch(self, session, milliseconds):
        now = int(time.time() * 1000)
        old = self.client.hmget(f"{PREFIX}:sessions:{session}", "lastAccessedTime", "maxInactiveInterval")
        pipe = self.client.pipeline()
        pipe.hset(
            f"{PREFIX}:sessions:{session}", mapping={"lastAccessedTime": now, "maxInactiveInterval": milliseconds}
        )
        pipe.srem(f"{PREFIX}:expirations:{minute(sum(map(int, old)))}", session)
        self.last_until(pipe, session, now, milliseconds)
        pipe.execute()

    def last_until(self, pipe, session, now, milliseconds):
        expirations = f"{PREFIX}:expirations:{minute(now + milliseconds)}"
        pipe.sadd(expirations, session)
        pipe.pexpire(expirations, milliseconds + GRACE)
        pipe.append(f"{PREFIX}:sessions:expires:{session}", "")
        pipe.pexpire(f"{PREFIX}:sessions:expires:{session}", milliseconds)
        pipe.pexpire(f"{PREFIX}:sessions:{session}", milliseconds + GRACE)

    def delete(self, session):
        self.client.delete(f"{PREFIX}:sessions:expires:{session}")
        self.client.pexpire(f"{PREFIX}:sessions:{session}", GRACE)

    def of_user(self, user):
        return {session.decode() for session in self.client.smembers(f"{INDEX}:{user}")}

    def get(self, session):
        """What a session holds while it lasts."""
        if not self.client.exists(f"{PREFIX}:sessions:expires:{session}"):
            return None
        return self.client.hgetall(f"{PREFIX}:sessions:{session}")

    def sweep(self, at):
        """Touches all that end in the minute `at`: a key that nobody touches may expire late."""
        sessions = self.client.smembers(f"{PREFIX}:expirations:{at}")
        self.client.delete(f"{PREFIX}:expirations:{at}")
        for session in sessions:
            self.client.exists(f"{PREFIX}:sessions:expires:{session.decode()}")
        return len(sessions)


def minute(moment):
    """The end of the minute in which a moment lies."""
    return (moment // MINUTE + 1) * MINUTE
