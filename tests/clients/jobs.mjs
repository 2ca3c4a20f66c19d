// A queue of BullMQ as an app has it: jobs.mjs bullmq PORT enqueue | jobs.mjs bullmq PORT work FILE; the package is in
// ROADWORKS_TEST_NODE_CLIENTS.
//
// Each job writes its number into FILE. `enqueue` makes one of each line of standard input and prints a line for it: `accepted`, or what
// was raised.
import { appendFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [, port, what, file] = process.argv.slice(2);
const { Queue, Worker } = createRequire(`${process.env.ROADWORKS_TEST_NODE_CLIENTS}/`)("bullmq");
const connection = { host: "127.0.0.1", port: Number(port) };

if (what === "work") {
  // Its own documentation has workers ask for ever.
  const options = { connection: { ...connection, maxRetriesPerRequest: null } };
  const worker = new Worker("jobs", async (job) => appendFileSync(file, `${job.data}\n`), options);
  worker.on("error", (error) => console.error(error.message));
} else {
  const queue = new Queue("jobs", { connection });
  queue.on("error", (error) => console.error(error.message));
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      await queue.add("job", Number(line));
      console.log("accepted");
    } catch (error) {
      console.log(`${error.name}: ${error.message}`.replaceAll("\n", " "));
    }
  }
  process.exit(0);
}
