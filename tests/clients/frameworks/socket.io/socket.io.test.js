// Two socket.io servers that only Redis connects, with each of the adapters that there are.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { Clients, port, until } from "../support.js";

const DB = 2;

const adapters = {
  "pub/sub, ioredis": async (clients) => createAdapter(clients.another(), clients.another()),
  "pub/sub, node-redis": async (clients) => createAdapter(await nodeRedis(clients), await nodeRedis(clients)),
  "sharded pub/sub, node-redis": async (clients) =>
    createShardedAdapter(await nodeRedis(clients), await nodeRedis(clients)),
  "streams, ioredis": async (clients) => createStreamsAdapter(clients.another(), streams),
  "streams, node-redis": async (clients) => createStreamsAdapter(await nodeRedis(clients), streams),
};
// It reads from `$`, until the first message: between two reads it would miss some, so that there is only one.
const streams = { blockTimeInMs: 0 };

async function nodeRedis(clients) {
  const client = createClient({ url: `redis://127.0.0.1:${port}/${DB}` });
  clients.open.push({ disconnect: () => client.isOpen && client.close() }); // after what it has been told to do
  return client.connect();
}

// Two servers with two users each; the user `a1` is the first of server `a`.
class World {
  static async build(kind, options) {
    const world = new World();
    world.kind = kind;
    world.clients = new Clients(DB);
    world.redis = world.clients.another();
    await world.redis.flushdb();
    world.servers = {};
    world.users = {};
    for (const name of ["a", "b"]) {
      const http = createServer().listen(0, "127.0.0.1");
      await once(http, "listening");
      world.servers[name] = new Server(http, { adapter: await adapters[kind](world.clients), ...options });
      world.servers[name].address = `http://127.0.0.1:${http.address().port}`;
    }
    for (const server of Object.values(world.servers)) {
      await until("the servers know of each other", async () => (await server.of("/").adapter.serverCount()) === 2);
      await until("they answer each other", () => server.fetchSockets().then(() => true, () => false));
    }
    await world.streamReaders(2);
    for (const name of ["a1", "a2", "b1", "b2"]) {
      const server = world.servers[name[0]];
      const arrived = once(server, "connection");
      const user = io(server.address, { transports: ["websocket"], forceNew: true, reconnectionDelay: 10 });
      user.heard = [];
      user.onAny((...event) => user.heard.push(event.filter((part) => typeof part !== "function")));
      world.users[name] = user;
      const [socket] = await arrived;
      socket.data.name = name;
      user.there = socket;
      await until(`${name} is connected`, () => user.connected);
    }
    return world;
  }

  // What each user heard in the end, when all messages before have come through.
  async heard() {
    const fences = Object.keys(this.servers).map((name) => ["fence", name]);
    for (const [name, server] of Object.entries(this.servers)) server.emit("fence", name);
    const heard = {};
    for (const [name, user] of Object.entries(this.users)) {
      if (!user.connected) continue;
      const seen = (fence) => user.heard.some((event) => event.join() === fence.join());
      await until(`${name} heard all`, () => fences.every(seen));
      heard[name] = user.heard.filter(([event]) => event !== "fence");
      user.heard.length = 0;
    }
    return heard;
  }

  async inRoom(room, names) {
    for (const server of Object.values(this.servers)) {
      await until(`${names} are in ${room}`, async () => {
        const sockets = await server.in(room).fetchSockets();
        return sockets.map((socket) => socket.data.name).sort().join() === names.join();
      });
    }
    // The sharded adapter has a channel for each room, and does not wait until it listens.
    const listening = Object.keys(this.servers).filter((server) => names.some((name) => name[0] === server)).length;
    const channel = `socket.io#/#${room}#`;
    if (!this.kind.startsWith("sharded")) return;
    await until(`the servers listen to ${channel}`, async () =>
      (await this.redis.call("PUBSUB", "SHARDNUMSUB", channel))[1] === listening);
  }

  async streamReaders(count) {
    if (!this.kind.startsWith("streams")) return;
    const reads = (client) => /cmd=xread/.test(client) && /flags=b/.test(client) && client.includes(`db=${DB} `);
    await until(`${count} servers read the stream`, async () =>
      (await this.redis.client("LIST")).split("\n").filter(reads).length === count);
  }

  async close() {
    Object.values(this.users).forEach((user) => user.disconnect());
    await Promise.all(Object.values(this.servers).map((server) => server.close()));
    if (this.kind.startsWith("streams")) {
      await this.redis.xadd("socket.io", "*", "the", "end"); // wakes the readers, who see that they are to go
      await this.streamReaders(0);
    }
    await this.clients.close();
  }
}

for (const kind of Object.keys(adapters)) {
  test(`${kind}: rooms, answers and departures across two servers`, async () => {
    const world = await World.build(kind);
    const { a, b } = world.servers;
    const { a1, a2, b1, b2 } = world.users;

    // To all, to a room, to all but one, and bytes.
    await a1.there.join("red");
    await b1.there.join("red");
    await world.inRoom("red", ["a1", "b1"]);
    a.emit("all", 1);
    b.to("red").emit("room", { text: "köln" });
    a.except("red").emit("others");
    a1.there.to("red").emit("from a1", Buffer.from([0, 255]));
    const all = ["all", 1];
    const room = ["room", { text: "köln" }];
    const heard = await world.heard();
    // Each adapter keeps the order of one server's messages on one channel, not among channels.
    for (const events of Object.values(heard)) events.sort((x, y) => (x[0] < y[0] ? -1 : 1));
    assert.deepEqual(heard, {
      a1: [all, room],
      a2: [all, ["others"]],
      b1: [all, ["from a1", Buffer.from([0, 255])], room],
      b2: [all, ["others"]],
    });

    // Many, in order, nothing lost or doubled.
    for (let n = 0; n < 200; n++) b.to("red").emit("n", n);
    const numbers = Array.from({ length: 200 }, (_, n) => ["n", n]);
    assert.deepEqual(await world.heard(), { a1: numbers, a2: [], b1: numbers, b2: [] });

    // Each server knows all sockets, and can move those of the other.
    const names = (sockets) => sockets.map((socket) => socket.data.name).sort();
    assert.deepEqual(names(await a.fetchSockets()), ["a1", "a2", "b1", "b2"]);
    assert.deepEqual(names(await b.in("red").fetchSockets()), ["a1", "b1"]);
    a.in(b2.there.id).socketsJoin("blue");
    await world.inRoom("blue", ["b2"]);
    b.in("red").socketsJoin("blue");
    await world.inRoom("blue", ["a1", "b1", "b2"]);
    b.in("blue").socketsLeave("red");
    await world.inRoom("red", []);

    // Answers of users and of servers.
    for (const [name, user] of Object.entries(world.users)) user.on("who?", (answer) => answer(name));
    assert.deepEqual((await a.to("blue").timeout(30_000).emitWithAck("who?")).sort(), ["a1", "b1", "b2"]);
    b.on("sum", (x, y, answer) => answer(x + y));
    assert.deepEqual(await a.serverSideEmitWithAck("sum", 20, 22), [42]);

    // Departures.
    const gone = ["a1", "b1", "b2"].map((name) => once(world.users[name], "disconnect"));
    a.in("blue").disconnectSockets(true);
    await Promise.all(gone);
    await until("only a2 is left", async () => names(await b.fetchSockets()).join() === "a2");
    assert.equal(a2.connected, true);
    await world.close();
  });
}

test("streams: a user who lost the connection gets what was missed from the other server", async () => {
  const world = await World.build("streams, ioredis", {
    connectionStateRecovery: { maxDisconnectionDuration: 120_000 },
  });
  const { a, b } = world.servers;
  const { a1, b2 } = world.users;
  await a1.there.join("red");
  await b2.there.join("red");
  await world.inRoom("red", ["a1", "b2"]);
  a.to("red").emit("n", 0);
  await until("a1 heard the first", () => a1.heard.length === 1);

  const left = once(a1.there, "disconnect");
  a1.io.reconnection(false);
  a1.io.engine.close();
  await left;
  for (let n = 1; n <= 20; n++) a.to("red").emit("n", n);
  a.to("blue").emit("not for a1");
  await until("b2 heard all", () => b2.heard.length === 21);

  a1.io.uri = b.address;
  a1.io.opts.hostname = new URL(b.address).hostname;
  a1.io.opts.port = new URL(b.address).port;
  a1.connect();
  await until("a1 heard all", () => a1.heard.length >= 21);
  assert.equal(a1.recovered, true);
  // Each event carries its place in the stream.
  assert.deepEqual(a1.heard.map(([event, n]) => [event, n]), Array.from({ length: 21 }, (_, n) => ["n", n]));
  assert.ok(b.of("/").sockets.has(a1.id));
  assert.deepEqual((await a.in("red").fetchSockets()).map((socket) => socket.data.name).sort(), ["a1", "b2"]);
  await world.close();
});
