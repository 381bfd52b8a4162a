// Limiters of requests, which are right only if their scripts are atomic: rate-limiter-flexible's, and a sliding window.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, beforeEach, test } from "node:test";
import { RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import { createClient } from "redis";
import { Clients, port, until } from "../support.js";

const DB = 3;
const clients = new Clients(DB);
const redis = clients.another();
const several = Array.from({ length: 4 }, () => clients.another());

beforeEach(() => redis.flushdb());
after(() => clients.close());

// [what was admitted, what was refused]; anything but a refusal is an error.
async function settle(attempts) {
  const results = await Promise.allSettled(attempts);
  const [admitted, refused] = [[], []];
  for (const { status, value, reason } of results) {
    if (status === "fulfilled") admitted.push(value);
    else if (reason instanceof RateLimiterRes) refused.push(reason);
    else throw reason;
  }
  return [admitted, refused];
}

test("as many are admitted as there are points, whoever asks", async () => {
  const limiters = several.map((storeClient) => new RateLimiterRedis({ storeClient, points: 100, duration: 3600 }));
  const [admitted, refused] = await settle(
    Array.from({ length: 400 }, (_, n) => limiters[n % limiters.length].consume("user")),
  );
  const remaining = admitted.map((result) => result.remainingPoints).sort((a, b) => a - b);
  assert.deepEqual(remaining, Array.from({ length: 100 }, (_, n) => n));
  assert.equal(refused.length, 300);
  for (const result of refused) {
    assert.equal(result.remainingPoints, 0);
    assert.ok(result.msBeforeNext > 0 && result.msBeforeNext <= 3_600_000);
  }
  const [limiter] = limiters;
  assert.equal((await limiter.get("user")).consumedPoints, 400);
  assert.equal(await limiter.get("nobody"), null);
  await limiter.consume("other", 60);
  await limiter.penalty("other", 30);
  await limiter.reward("other", 10);
  assert.equal((await limiter.get("other")).remainingPoints, 20);
  await limiter.block("other", 60);
  await assert.rejects(limiter.consume("other"), (reason) => reason.msBeforeNext <= 60_000);
  assert.equal(await limiter.delete("other"), true);
  assert.equal((await limiter.consume("other")).remainingPoints, 99);
});

test("points come back when their time is over, also with node-redis", async () => {
  const storeClient = createClient({ url: `redis://127.0.0.1:${port}/${DB}` });
  await storeClient.connect();
  const limiter = new RateLimiterRedis({ storeClient, useRedisPackage: true, points: 2, duration: 1, keyPrefix: "short" });
  const [first, refused] = await settle([1, 2, 3].map(() => limiter.consume("user")));
  assert.deepEqual([first.length, refused.length], [2, 1]);
  await until("the window is over", async () => (await limiter.get("user")) === null);
  assert.equal((await limiter.consume("user")).consumedPoints, 1);
  storeClient.destroy();
});

test("a sliding window is never fuller than its limit", async () => {
  const [window, limit] = [50_000, 10];
  const lua = readFileSync(new URL("sliding_window.lua", import.meta.url), "utf8");
  for (const client of several) client.defineCommand("slide", { lua, numberOfKeys: 2 });
  const admitted = Object.fromEntries(several.map((_, who) => [who, 0]));
  let total = 0;
  await Promise.all(
    several.map(async (client, who) => {
      for (let n = 0; total < 100; n++) {
        const [yes, left] = await client.slide("window", "log", window, limit, who, n);
        assert.ok(left >= 0 && left < limit, `${left} left`);
        if (yes !== 1) continue;
        admitted[who] += 1;
        total += 1;
      }
    }),
  );

  // The log is the order in which the server saw the requests: a model decides on it again.
  const log = (await redis.lrange("log", 0, -1)).map((line) => JSON.parse(line));
  const counted = Object.fromEntries(several.map((_, who) => [who, 0]));
  let recent = [];
  let before = 0;
  for (const { now, who, admitted } of log) {
    assert.ok(Number(now) >= before, "time runs forward");
    before = Number(now);
    recent = recent.filter((moment) => moment > before - window);
    assert.equal(admitted, recent.length < limit);
    if (!admitted) continue;
    recent.push(before);
    counted[who] += 1;
  }
  assert.deepEqual(counted, admitted);
  assert.ok(log.length > total, "some were refused");
  await until("the window is forgotten", async () => (await redis.exists("window")) === 0);
});
