// What the tests on Node share. Each file has a database of its own, so that they can run at the same time.

import { Redis } from "ioredis";

export const port = Number(process.env.SEEDIS_PORT);

// Nothing here takes longer unless it is lost.
const PATIENCE = 60_000;

// Resolves as soon as `condition` holds; what it returned is the result.
export async function until(what, condition) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`in vain: waited until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

// The clients of one test file, in its database.
export class Clients {
  constructor(db, options = {}) {
    this.options = { port, db, ...options };
    this.open = [];
  }

  another(options = {}) {
    const client = new Redis({ ...this.options, ...options });
    this.open.push(client);
    return client;
  }

  close() {
    return Promise.all(this.open.map((client) => client.disconnect()));
  }
}
