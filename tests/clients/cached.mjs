// A cache as an app has it, with its client's own defaults: cached.mjs KIND PORT; the packages are in ROADWORKS_TEST_NODE_CLIENTS.
//
// For each line of standard input one round of what apps ask of a cache: prints how many calls it were, how many milliseconds the slowest
// took, and then what each call that raised raised. A line `whole` also writes in a transaction, and `kept` only looks whether what is written
// is read.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [kind, port] = process.argv.slice(2);
const require = createRequire(`${process.env.ROADWORKS_TEST_NODE_CLIENTS}/`);
let raised, slowest, calls;

async function call(name, what) {
  const began = performance.now();
  calls += 1;
  try {
    return await what();
  } catch (error) {
    raised.push(`${name}: ${error.name}: ${error.message}`.replaceAll("\n", " "));
  } finally {
    slowest = Math.max(slowest, performance.now() - began);
  }
}

async function kept(client) {
  await client.set("price", "10");
  if ((await client.get("price")) !== "10") throw new Error("what was written is not read");
}

async function ofIoredis() {
  const Redis = require("ioredis");
  const client = new Redis({ port, host: "127.0.0.1", db: 1 });
  client.on("error", () => {});
  const executed = async (pipe) => {
    for (const [error] of await pipe.exec()) if (error) throw error;
  };
  return async (asked) => {
    if (asked === "kept") return call("kept", () => kept(client));
    await call("get", () => client.get("price"));
    await call("set", () => client.set("price", 10, "EX", 60));
    await call("mget", () => client.mget("price", "name"));
    await call("set nx", () => client.set("lock", 1, "EX", 60, "NX"));
    await call("hset", () => client.hset("cart", { a: 1, b: 2 }));
    await call("hgetall", () => client.hgetall("cart"));
    await call("smembers", () => client.smembers("tags"));
    await call("zrange", () => client.zrange("top", 0, 9, "WITHSCORES"));
    await call("expire", () => client.expire("price", 60));
    await call("pipeline", () => executed(client.pipeline().get("price").set("price", 10).del("name")));
    await call("multi", () => executed(client.multi().get("price").mget("price", "name")));
    await call("del", () => client.del("price", "name", "cart"));
    if (asked === "whole") await call("multi of writes", () => executed(client.multi().set("price", 10).del("name")));
  };
}

async function ofNodeRedis() {
  const { createClient } = require("redis");
  const client = createClient({ url: `redis://127.0.0.1:${port}/1` });
  client.on("error", () => {});
  await client.connect();
  return async (asked) => {
    if (asked === "kept") return call("kept", () => kept(client));
    await call("get", () => client.get("price"));
    await call("set", () => client.set("price", "10", { EX: 60 }));
    await call("mGet", () => client.mGet(["price", "name"]));
    await call("set nx", () => client.set("lock", "1", { EX: 60, NX: true }));
    await call("hSet", () => client.hSet("cart", { a: 1, b: 2 }));
    await call("hGetAll", () => client.hGetAll("cart"));
    await call("sMembers", () => client.sMembers("tags"));
    await call("zRangeWithScores", () => client.zRangeWithScores("top", 0, 9));
    await call("expire", () => client.expire("price", 60));
    await call("pipeline", () => Promise.all([client.get("price"), client.set("price", "10"), client.del("name")]));
    await call("multi", () => client.multi().get("price").mGet(["price", "name"]).exec());
    await call("del", () => client.del(["price", "name", "cart"]));
    if (asked === "whole") await call("multi of writes", () => client.multi().set("price", "10").del("name").exec());
  };
}

const oneRound = await { ioredis: ofIoredis, "node-redis": ofNodeRedis }[kind]();
for await (const line of createInterface({ input: process.stdin })) {
  [raised, slowest, calls] = [[], 0, 0];
  await oneRound(line.trim());
  console.log(`${calls} ${Math.round(slowest)} ${raised.join(" ; ")}`);
}
process.exit(0);
