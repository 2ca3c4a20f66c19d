// Has BullMQ do what it does with its own defaults, so that its keys are seen: `bullmq` and the port of a Redis; the package is in
// ROADWORKS_TEST_NODE_CLIENTS.
import { createRequire } from "node:module";

const { FlowProducer, Job, Queue, QueueEvents, Worker } = createRequire(`${process.env.ROADWORKS_TEST_NODE_CLIENTS}/`)("bullmq");
const connection = { host: "127.0.0.1", port: Number(process.argv[3]), maxRetriesPerRequest: null };
const queue = new Queue("jobs", { connection });
const events = new QueueEvents("jobs", { connection });
const flows = new FlowProducer({ connection });
const does = async (job) => {
  await job.log("begun");
  await job.updateProgress(50);
  if (job.name === "fails") throw new Error("meant");
  return job.data;
};
const worker = new Worker("jobs", does, { connection, limiter: { max: 100, duration: 1_000 }, metrics: { maxDataPoints: 10 } });
worker.on("error", (error) => console.error(error.message));

await events.waitUntilReady();
const flow = await flows.add({ name: "whole", queueName: "jobs", children: [{ name: "part", queueName: "jobs" }] });
const jobs = await queue.addBulk([{ name: "one", data: 1 }, { name: "urgent", data: 2, opts: { priority: 1 } }]);
jobs.push(flow.job, await queue.add("once", 3, { deduplication: { id: "once", ttl: 5_000 } }));
await Promise.all(jobs.map((job) => job.waitUntilFinished(events)));
const fails = await queue.add("fails", 4, { attempts: 2, backoff: 100 });
await fails.waitUntilFinished(events).then(() => process.exit(1), () => {});
await queue.add("later", 5, { delay: 3_600_000 });
await queue.upsertJobScheduler("hourly", { every: 3_600_000 });
await queue.pause();
await queue.add("paused", 6);
await queue.resume();
await queue.setGlobalConcurrency(5);
await queue.getJobCounts();
await queue.getWorkers();
await queue.getMetrics("completed");
await (await Job.fromId(queue, fails.id)).retry();
await queue.retryJobs();
await queue.clean(0, 10, "completed");
await queue.drain(true);
for (const one of [worker, events, flows, queue]) await one.close();
