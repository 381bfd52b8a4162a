// ioredis with its defaults does a session's work. The server listens on SEEDIS_PORT.

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { Redis } from "ioredis";

const port = Number(process.env.SEEDIS_PORT);
const redis = new Redis(port);
const others = [];

function another(options = {}) {
  const client = new Redis(port, options);
  others.push(client);
  return client;
}

beforeEach(() => redis.flushall());
after(() => [redis, ...others].forEach((client) => client.disconnect()));

test("strings", async () => {
  assert.equal(await redis.set("k", "v"), "OK");
  assert.equal(await redis.get("k"), "v");
  assert.equal(await redis.get("missing"), null);
  assert.equal(await redis.set("k", "w", "EX", 100, "NX"), null);
  assert.equal(await redis.set("k", "w", "EX", 100, "XX"), "OK");
  assert.ok((await redis.ttl("k")) > 0);
  assert.deepEqual(await redis.mget("k", "missing"), ["w", null]);
  assert.equal(await redis.incrby("n", 5), 5);
  assert.equal(await redis.incrbyfloat("n", 0.25), "5.25");
  const binary = Buffer.from(Array.from({ length: 70000 }, (_, i) => i % 256));
  await redis.set("binary", binary);
  assert.ok(binary.equals(await redis.getBuffer("binary")));
  await assert.rejects(redis.incr("k"), /value is not an integer or out of range/);
});

test("keys, expiry and scan", async () => {
  const names = Array.from({ length: 500 }, (_, i) => `key:${i}`);
  await redis.mset(names.flatMap((name) => [name, name]));
  assert.equal(await redis.dbsize(), 500);
  const seen = new Set();
  for await (const keys of redis.scanStream({ match: "key:*", count: 50 })) {
    keys.forEach((key) => seen.add(key));
  }
  assert.equal(seen.size, 500);
  assert.equal(await redis.pexpire("key:1", 100000), 1);
  assert.ok((await redis.pttl("key:1")) > 0);
  assert.equal(await redis.persist("key:1"), 1);
  assert.equal(await redis.del(...names), 500);
});

test("transactions and WATCH", async () => {
  assert.deepEqual(await redis.multi().set("n", 1).incr("n").get("n").exec(), [
    [null, "OK"],
    [null, 2],
    [null, "2"],
  ]);
  const other = another();
  await redis.watch("n");
  await other.set("n", 10);
  assert.equal(await redis.multi().incr("n").exec(), null);
  assert.equal(await redis.get("n"), "10");
});

test("pipelines", async () => {
  const pipeline = redis.pipeline();
  for (let i = 0; i < 5000; i++) pipeline.set(`p:${i}`, i).get(`p:${i}`);
  const results = await pipeline.exec();
  assert.equal(results.length, 10000);
  assert.ok(results.every(([error]) => error === null));
  assert.equal(results[9999][1], "4999");
});

test("publish and subscribe", async () => {
  const subscriber = another();
  const heard = [];
  const both = new Promise((resolve) => {
    const note = (...message) => heard.push(message) === 2 && resolve();
    subscriber.on("message", note);
    subscriber.on("pmessage", note);
  });
  assert.equal(await subscriber.subscribe("news", "weather"), 2);
  assert.equal(await subscriber.psubscribe("new?"), 3);
  assert.equal(await redis.publish("news", "hello"), 2);
  await both;
  assert.deepEqual(heard, [
    ["news", "hello"],
    ["new?", "news", "hello"],
  ]);
});

test("reconnects to the same database", async () => {
  const other = another({ db: 2 });
  await other.set("k", "two");
  const id = await other.client("ID");
  await redis.client("KILL", "ID", id);
  assert.equal(await other.get("k"), "two");
  assert.notEqual(await other.client("ID"), id);
});

test("introspection", async () => {
  assert.match(await redis.info(), /redis_version:\d+\.\d+\.\d+/);
  const config = await redis.config("GET", "maxmemory");
  assert.deepEqual([config].flat().length, 2);
  const names = await redis.command("LIST");
  assert.equal(await redis.command("COUNT"), names.filter((name) => !name.includes("|")).length);
  assert.ok(["get", "multi", "config|get"].every((name) => names.includes(name)));
  assert.match(await redis.client("LIST"), /^id=\d+ addr=/);
});
