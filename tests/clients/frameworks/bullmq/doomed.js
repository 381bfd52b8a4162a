// A worker in a process of its own. It says which job it has taken, and never finishes it: it is to be killed.

import { Worker } from "bullmq";

const [queue, db] = process.argv.slice(2);
const connection = { port: Number(process.env.SEEDIS_PORT), db: Number(db), maxRetriesPerRequest: null };

new Worker(
  queue,
  (job) => {
    console.log(job.id);
    return new Promise(() => {});
  },
  { connection, lockDuration: 500, stalledInterval: 100 },
);
