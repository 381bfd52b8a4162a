// BullMQ's queues: each of its steps is a Lua script over a dozen keys.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";
import { Clients, port, until } from "../support.js";

const clients = new Clients(1);
const redis = clients.another();
const connection = { port, db: 1, maxRetriesPerRequest: null };
const opened = [];

function open(Class, name, ...rest) {
  const last = typeof rest.at(-1) === "object" ? rest.pop() : {};
  const one = new Class(name, ...rest, { connection, ...last });
  one.on("error", (error) => assert.fail(error));
  opened.push(one);
  return one;
}

const queueOf = (name) => open(Queue, name);
const workerOf = (name, work, options = {}) => open(Worker, name, work, { drainDelay: 1, ...options });

// From the first event on: what happens before it listens is heard, too.
const eventsOf = (name) => open(QueueEvents, name, { lastEventId: "0" });

const inState = (queue, state, count) =>
  until(`${count} jobs of ${queue.name} are ${state}`, async () => (await queue.getJobCountByTypes(state)) === count);

beforeEach(() => redis.flushdb());
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});
after(() => clients.close());

test("every job runs once, whichever of four workers takes it", async () => {
  const queue = queueOf("many");
  const jobs = Array.from({ length: 200 }, (_, n) => ({ name: "square", data: { n } }));
  await queue.addBulk(jobs);
  const ran = [];
  for (let id = 0; id < 4; id++) {
    workerOf("many", async (job) => {
      ran.push(job.data.n);
      return job.data.n ** 2;
    }, { concurrency: 5 });
  }
  await inState(queue, "completed", 200);
  assert.deepEqual(ran.sort((a, b) => a - b), jobs.map((job) => job.data.n));
  const results = await queue.getCompleted(0, -1);
  assert.equal(results.length, 200);
  for (const job of results) assert.equal(job.returnvalue, job.data.n ** 2);
  const counts = await queue.getJobCounts("wait", "active", "delayed", "failed");
  assert.deepEqual(counts, { wait: 0, active: 0, delayed: 0, failed: 0 });
  await queue.obliterate();
  assert.deepEqual(await redis.keys("bull:many:*"), []);
});

test("delayed jobs run when they are due, in that order", async () => {
  const queue = queueOf("later");
  const ran = [];
  workerOf("later", async (job) => ran.push([job.name, Date.now() >= job.timestamp + job.data.delay]));
  const delays = { third: 300, first: 100, second: 200 };
  await queue.addBulk(Object.entries(delays).map(([name, delay]) => ({ name, data: { delay }, opts: { delay } })));
  const [promoted, changed, tomorrow] = await queue.addBulk(
    ["promoted", "changed", "tomorrow"].map((name) => ({ name, data: { delay: 0 }, opts: { delay: 86_400_000 } })),
  );
  await inState(queue, "completed", 3);
  assert.deepEqual(ran, [["first", true], ["second", true], ["third", true]]);
  await promoted.promote();
  await inState(queue, "completed", 4);
  await changed.changeDelay(10);
  await inState(queue, "completed", 5);
  assert.deepEqual(ran.slice(3), [["promoted", true], ["changed", true]]);
  assert.equal(await promoted.getState(), "completed");
  assert.deepEqual((await queue.getDelayed()).map((job) => job.id), [tomorrow.id]);
});

test("a repeated job makes its successor, up to its limit", async () => {
  const queue = queueOf("again");
  const seen = [];
  workerOf("again", async (job) => seen.push([job.name, job.data.word, job.repeatJobKey]));
  await queue.upsertJobScheduler("beat", { every: 50, limit: 4 }, { name: "tick", data: { word: "boo" } });
  await inState(queue, "completed", 4);
  assert.deepEqual(seen, Array(4).fill(["tick", "boo", "beat"]));
  assert.equal(await queue.getJobCountByTypes("delayed", "wait", "active"), 0);

  await queue.upsertJobScheduler("yearly", { pattern: "0 0 1 1 *" }, { name: "new year" });
  assert.deepEqual((await queue.getDelayed()).map((job) => job.name), ["new year"]);
  assert.deepEqual((await queue.getJobSchedulers()).map((one) => one.key).includes("yearly"), true);
  assert.equal(await queue.removeJobScheduler("yearly"), true);
  assert.equal(await queue.getJobCountByTypes("delayed"), 0);
});

test("a job whose worker was killed is taken up by another", async () => {
  const queue = queueOf("stalls");
  const events = eventsOf("stalls");
  const stalled = once(events, "stalled");
  const job = await queue.add("long", { n: 1 });
  const child = spawn(process.execPath, [fileURLToPath(new URL("doomed.js", import.meta.url)), "stalls", "1"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(child.stdout, "data");
  assert.equal(line.toString().trim(), job.id);
  assert.equal(await job.getState(), "active");
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;

  const ran = [];
  workerOf("stalls", async (job) => ran.push([job.id, job.stalledCounter, job.attemptsStarted]), {
    stalledInterval: 100,
  });
  await inState(queue, "completed", 1);
  assert.deepEqual(ran, [[job.id, 1, 2]]);
  assert.equal((await stalled)[0].jobId, job.id);
});

test("a flow's parent runs after all its children, and sees what they returned", async () => {
  const order = [];
  const work = async (job) => {
    order.push(job.name);
    if (job.name !== "book") return job.data.pages;
    const pages = Object.values(await job.getChildrenValues());
    return pages.reduce((sum, more) => sum + more, 0);
  };
  const queue = queueOf("books");
  queueOf("chapters");
  const flows = new FlowProducer({ connection });
  opened.push(flows);
  const flow = await flows.add({
    name: "book",
    queueName: "books",
    children: Array.from({ length: 5 }, (_, n) => ({
      name: `chapter ${n}`,
      queueName: "chapters",
      data: { pages: 10 + n },
    })),
  });
  assert.equal(await flow.job.getState(), "waiting-children");
  workerOf("books", work);
  workerOf("chapters", work, { concurrency: 3 });
  await inState(queue, "completed", 1);
  assert.equal(order.length, 6);
  assert.equal(order.at(-1), "book");
  const [book] = await queue.getCompleted();
  assert.equal(book.returnvalue, 60);
  const { processed, unprocessed } = await book.getDependencies();
  assert.equal(Object.keys(processed).length, 5);
  assert.deepEqual(unprocessed ?? [], []);
});

test("priorities, then arrival, decide the order", async () => {
  const queue = queueOf("ranks");
  await queue.pause();
  const priorities = [5, 1, 3, 1, 5, 0, 2];
  await queue.addBulk(priorities.map((priority, n) => ({ name: `${priority}.${n}`, opts: { priority } })));
  assert.deepEqual(await queue.getCountsPerPriority([0, 1, 5]), { 0: 1, 1: 2, 5: 2 });
  const order = [];
  workerOf("ranks", async (job) => order.push(job.name));
  await queue.resume();
  await inState(queue, "completed", priorities.length);
  assert.deepEqual(order, ["0.5", "1.1", "1.3", "2.6", "3.2", "5.0", "5.4"]);
});

test("a rate limit holds until its time is over", async () => {
  const queue = queueOf("limited");
  const order = [];
  const limiter = { max: 3, duration: 3_600_000 };
  for (let id = 0; id < 2; id++) {
    workerOf("limited", async (job) => order.push(job.data.n), { limiter, maximumRateLimitDelay: 20 });
  }
  await queue.addBulk(Array.from({ length: 9 }, (_, n) => ({ name: "job", data: { n } })));
  for (const done of [3, 6, 9]) {
    await inState(queue, "completed", done);
    assert.equal(order.length, done);
    assert.equal(await queue.getJobCountByTypes("wait"), 9 - done);
    assert.ok((await queue.getRateLimitTtl()) > 3_000_000);
    await queue.removeRateLimitKey();
  }
  assert.deepEqual(order.sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test("failures are tried again, and then kept", async () => {
  const queue = queueOf("fails");
  const events = eventsOf("fails");
  const attempts = [];
  let healed = false;
  workerOf("fails", async (job) => {
    attempts.push([job.name, job.attemptsMade]);
    await job.log(`attempt ${job.attemptsMade}`);
    if (job.name === "never" ? !healed : job.attemptsMade < 2) throw new Error(`no ${job.name}`);
    return "at last";
  });
  const options = { attempts: 3, backoff: { type: "fixed", delay: 20 } };
  const third = await queue.add("third", {}, options);
  assert.equal(await third.waitUntilFinished(events), "at last");
  const never = await queue.add("never", {}, options);
  await assert.rejects(never.waitUntilFinished(events), /no never/);
  assert.deepEqual(attempts, ["third", "never"].flatMap((name) => [0, 1, 2].map((made) => [name, made])));
  const [kept] = await queue.getFailed();
  assert.equal(kept.failedReason, "no never");
  assert.equal(kept.stacktrace.length, 3);
  assert.deepEqual((await queue.getJobLogs(never.id)).logs, ["attempt 0", "attempt 1", "attempt 2"]);
  healed = true;
  await queue.retryJobs({ count: 10 });
  await inState(queue, "completed", 2);
  assert.equal(await queue.getFailedCount(), 0);
});

test("jobs of one identity are one job", async () => {
  const queue = queueOf("same");
  const events = eventsOf("same");
  const refused = once(events, "deduplicated");
  const options = { deduplication: { id: "only" } };
  const first = await queue.add("one", { n: 1 }, options);
  const second = await queue.add("two", { n: 2 }, options);
  assert.equal(second.id, first.id);
  assert.equal((await refused)[0].jobId, first.id);
  await queue.add("named", {}, { jobId: "custom" });
  await queue.add("named", {}, { jobId: "custom" });
  assert.equal(await queue.getWaitingCount(), 2);
  const ran = [];
  workerOf("same", async (job) => ran.push(job.id));
  await inState(queue, "completed", 2);
  assert.deepEqual(ran, [first.id, "custom"]);
  // The first is done, so that there may be a next.
  const third = await queue.add("three", { n: 3 }, options);
  assert.notEqual(third.id, first.id);
  await inState(queue, "completed", 3);
});
