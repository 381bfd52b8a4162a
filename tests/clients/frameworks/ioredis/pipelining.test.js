// ioredis where it is at its most automatic: pipelines that it makes itself, scripts that it loads itself.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, beforeEach, test } from "node:test";
import { Clients, until } from "../support.js";

const clients = new Clients(8);
const redis = clients.another();
const automatic = clients.another({ enableAutoPipelining: true });

beforeEach(() => redis.flushdb());
after(() => clients.close());

// A script that no server has seen.
const unheardOf = (lua) => `${lua}\n-- ${Date.now()} ${Math.random()}`;
const sha1 = (lua) => createHash("sha1").update(lua).digest("hex");
const known = async (lua) => (await redis.script("EXISTS", sha1(lua)))[0] === 1;

test("commands of one turn go in one pipeline, each with its own reply", async () => {
  const numbers = Array.from({ length: 2000 }, (_, n) => n);
  const replies = await Promise.all(
    numbers.flatMap((n) => [automatic.set(`key:${n}`, n), automatic.incr(`key:${n}`), automatic.get(`key:${n}`)]),
  );
  assert.deepEqual(replies, numbers.flatMap((n) => ["OK", n + 1, String(n + 1)]));
  assert.equal(await redis.dbsize(), 2000);
});

test("what follows a reply goes in the next pipeline", async () => {
  const walk = async (name) => {
    for (let n = 1; n <= 50; n++) {
      assert.equal(await automatic.rpush(name, n), n);
      assert.equal(await automatic.lindex(name, -1), String(n));
    }
    return automatic.llen(name);
  };
  const names = Array.from({ length: 20 }, (_, n) => `list:${n}`);
  assert.deepEqual(await Promise.all(names.map(walk)), names.map(() => 50));
});

test("one command's error is its own", async () => {
  await redis.set("text", "a");
  const results = await Promise.allSettled([
    automatic.set("a", 1),
    automatic.incr("text"),
    automatic.hget("text", "field"),
    automatic.call("no-such-command"),
    automatic.call("get"),
    automatic.incr("a"),
  ]);
  assert.deepEqual(results.map((result) => result.value ?? result.reason.message.replace(/, with args.*/, "")), [
    "OK",
    "ERR value is not an integer or out of range",
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "ERR unknown command 'no-such-command'",
    "ERR wrong number of arguments for 'get' command",
    2,
  ]);
});

test("transactions and what blocks keep out of the pipelines of others", async () => {
  const blocking = clients.another({ enableAutoPipelining: true, autoPipeliningIgnoredCommands: ["blpop"] });
  const popped = blocking.blpop("queue", 0);
  const [before, transaction, after] = await Promise.all([
    automatic.set("n", 1),
    automatic.multi().incr("n").rpush("queue", "job").get("n").exec(),
    automatic.get("n"),
  ]);
  assert.equal(before, "OK");
  assert.deepEqual(transaction.slice(0, 2), [[null, Number(transaction[2][1])], [null, 1]]);
  assert.ok(["1", "2"].includes(after));
  assert.deepEqual(await popped, ["queue", "job"]);
  assert.equal(await redis.exists("queue"), 0);
});

test("a script that the server does not know is sent in full, once", async () => {
  const lua = unheardOf("return {KEYS[1], ARGV[1], redis.call('INCRBY', KEYS[1], ARGV[1])}");
  const client = clients.another();
  client.defineCommand("add", { numberOfKeys: 1, lua });
  assert.equal(await known(lua), false);
  assert.deepEqual(await client.add("n", 5), ["n", "5", 5]);
  assert.equal(await known(lua), true);
  assert.deepEqual(await client.add("n", 2), ["n", "2", 7]);
  assert.deepEqual(await client.addBuffer("n", 1), [Buffer.from("n"), Buffer.from("1"), 8]);
  await assert.rejects(redis.evalsha(sha1(unheardOf("")), 0), /^ReplyError: NOSCRIPT/);
});

test("scripts in pipelines, in transactions and in automatic pipelines", async () => {
  const sources = Array.from({ length: 3 }, () => unheardOf("return redis.call('RPUSH', KEYS[1], unpack(ARGV))"));
  for (const client of [redis, automatic]) {
    sources.forEach((lua, n) => client.defineCommand(`push${n}`, { numberOfKeys: 1, lua }));
  }
  const pipeline = redis.pipeline();
  for (let n = 0; n < 30; n++) pipeline.push0("list", n);
  assert.deepEqual(await pipeline.exec(), Array.from({ length: 30 }, (_, n) => [null, n + 1]));
  const transaction = await redis.multi().push1("list", "a", "b").lrange("list", -2, -1).exec();
  assert.deepEqual(transaction, [[null, 32], [null, ["a", "b"]]]);
  const lengths = await Promise.all(Array.from({ length: 30 }, (_, n) => automatic.push2("other", n)));
  assert.deepEqual(lengths, Array.from({ length: 30 }, (_, n) => n + 1));
  assert.deepEqual(await redis.lrange("other", 0, -1), Array.from({ length: 30 }, (_, n) => String(n)));
  for (const lua of sources) assert.equal(await known(lua), true);
});

test("a script's keys take the prefix of the client", async () => {
  const prefixed = clients.another({ keyPrefix: "app:" });
  prefixed.defineCommand("both", { numberOfKeys: 2, lua: "return {KEYS[1], KEYS[2], ARGV[1]}", readOnly: true });
  prefixed.defineCommand("any", { lua: "return #KEYS" });
  assert.deepEqual(await prefixed.both("a", "b", "c"), ["app:a", "app:b", "c"]);
  assert.equal(await prefixed.any(3, "a", "b", "c"), 3);
});

test("what a script answers arrives as it was meant", async () => {
  const answers = {
    "return nil": null,
    "return true": 1,
    "return false": null,
    "return 3.99": 3,
    "return '3.99'": "3.99",
    "return {1, 'two', {3, {4}}, nil, 5}": [1, "two", [3, [4]]],
    "return {ok = 'FINE'}": "FINE",
    "return redis.status_reply('FINE')": "FINE",
    "return {}": [],
    "return cjson.encode({a = {1, 2}, b = cjson.null})": (text) =>
      assert.deepEqual(JSON.parse(text), { a: [1, 2], b: null }),
    "return cjson.decode(ARGV[1]).list[2]": "ö",
    "return cmsgpack.unpack(cmsgpack.pack({1, 2, 'x'}))": [1, 2, "x"],
    "return struct.pack('>I2', 258)": "\x01\x02",
    "return bit.bxor(5, 3)": 6,
  };
  for (const [lua, expected] of Object.entries(answers)) {
    const answer = await redis.eval(lua, 0, JSON.stringify({ list: [1, "ö"] }));
    if (typeof expected === "function") expected(answer);
    else assert.deepEqual(answer, expected, lua);
  }
  await assert.rejects(redis.eval("return redis.error_reply('MINE own')", 0), /^ReplyError: MINE own$/);
  await assert.rejects(redis.eval("return redis.call('INCR', KEYS[1], 2)", 1, "k"), /Wrong number of args/);
  await assert.rejects(redis.eval("error({err = 'THROWN away'})", 0), /THROWN away/);
});

test("reconnection in the middle of everything loses no command", async () => {
  const name = `victim-${process.pid}`;
  const client = clients.another({ enableAutoPipelining: true, connectionName: name, retryStrategy: () => 5 });
  let connections = 0;
  client.on("ready", () => (connections += 1));
  client.on("error", () => {}); // a connection that is closed under a write may say so
  for (let round = 0; round < 5; round++) {
    assert.deepEqual(await Promise.all([client.set("k", round), client.get("k")]), ["OK", String(round)]);
    const line = (await redis.client("LIST")).split("\n").find((line) => line.includes(`name=${name}`));
    await redis.client("KILL", "ID", /\bid=(\d+)/.exec(line)[1]);
    // Whether it has noticed or not: these go over the old connection in vain, or over the next.
    const replies = await Promise.all(Array.from({ length: 100 }, (_, n) => client.sadd(`round:${round}`, n)));
    assert.equal(replies.length, 100);
    assert.equal(await redis.scard(`round:${round}`), 100);
  }
  await until("it has connected again each time", () => connections === 6);
});
