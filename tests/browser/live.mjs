// A browser before a running gateway: node live.mjs TOOLS CHROMIUM URL SCENARIO
//
// A line on standard output asks the test for a verb, as `close --for 30m`; its answer is a line on standard input. A
// scenario throws where something is wrong; its end is exit code 0.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import assert from "node:assert/strict";
import path from "node:path";

const [tools, chromium, url, scenario] = process.argv.slice(2);
const require = createRequire(path.join(tools, "package.json"));
const playwright = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const STATUS = "/.well-known/roadworks";
const CLOSED = "close --for 30m";

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function asks(verb) {
  console.log(verb);
  await answers.next();
}

const browser = await playwright.chromium.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });

/** The site in a context of its own, with a clock that stands still: `looks` are the page's own, `loads` its navigations. */
async function visit(options = {}) {
  const context = await browser.newContext({ locale: "en-US", ...options });
  const page = await context.newPage();
  page.looks = 0;
  page.answers = 0;
  page.loads = [];
  page.wrong = [];
  page.on("request", (request) => {
    if (request.url() === url + STATUS) page.looks += 1;
    if (request.isNavigationRequest()) page.loads.push(request.method());
  });
  page.on("response", (answer) => { if (answer.url() === url + STATUS) page.answers += 1; });
  page.on("pageerror", (error) => page.wrong.push(String(error)));
  if (!options.bypassCSP) await page.clock.install();
  const answer = await page.goto(url + "/shop?a=b");
  assert.equal(answer.status(), 503);
  return page;
}

/** Lets so many of the page's seconds pass, each question of its own answered in its second. */
async function passes(page, seconds) {
  for (let second = 0; second < seconds && !page.isClosed(); second++) {
    await page.clock.runFor(1_000);
    while (page.looks > page.answers) await page.waitForTimeout(5);
    if (page.loads.length > 1) return;
  }
}

const status = (page) => page.locator("[role=status]:visible").textContent();
const app = (page) => page.waitForFunction(() => document.body.textContent.startsWith("GET /shop?a=b"));

const scenarios = {
  /** It comes back by itself when the site opens, once, at the same place. */
  async recovers() {
    await asks(CLOSED);
    const page = await visit();
    await passes(page, 61);
    assert.ok(page.looks >= 1 && page.looks <= 3, `it looked ${page.looks} times in the first minute`);
    assert.match(await page.title(), /^Closed for maintenance/);
    assert.deepEqual(page.loads, ["GET"], "it is not loaded again while the site is closed");
    await asks("open");
    await passes(page, 160);
    await app(page);
    assert.deepEqual(page.loads, ["GET", "GET"]);
    assert.deepEqual(page.wrong, []);
  },

  /** Whoever stopped it is left in peace, and looks by hand. */
  async byhand() {
    await asks(CLOSED);
    const page = await visit();
    await page.getByRole("button", { name: "Stop checking" }).click();
    assert.equal(await status(page), "This page no longer checks by itself.");
    await page.clock.runFor(3_600_000);
    assert.equal(page.looks, 0);
    const now = page.getByRole("button", { name: "Check now" });
    await now.click();
    await page.waitForFunction(() => document.querySelector("[role=status]").textContent.startsWith("Not open yet"));
    assert.equal(page.looks, 1);
    await asks("open");
    await page.clock.runFor(3_600_000);
    assert.equal(page.loads.length, 1, "it does not come back by itself any more");
    await now.click();
    await app(page);
  },

  /** Nothing that axe knows of: light, dark, from right to left, and in forced colours. */
  async accessible() {
    await asks(CLOSED);
    const found = [];
    for (const [colorScheme, forcedColors, locale] of [
      ["light", "none", "en-US"], ["dark", "none", "en-US"], ["light", "none", "ar"], ["dark", "none", "he-IL"], ["dark", "active", "ar"],
    ]) {
      const page = await visit({ colorScheme, forcedColors, locale, bypassCSP: true });
      const [lang, dir] = await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]);
      assert.deepEqual([lang, dir], [locale.slice(0, 2), locale.startsWith("en") ? "ltr" : "rtl"]);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      for (const { id, nodes } of violations) found.push(`${locale} ${colorScheme} ${forcedColors}: ${id} at ${nodes[0].target}`);
      await page.context().close();
    }
    assert.deepEqual(found, []);
  },

  /** The program of another origin reads the refusal, its Retry-After and its details, preflight or not. */
  async origins() {
    const server = createServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html><title>spa</title>"));
    await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
    const context = await browser.newContext();
    await context.addCookies([{ name: "session", value: "1", url }]);
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const reads = (method, credentials) => page.evaluate(async ([url, method, credentials]) => {
      const headers = { "content-type": "application/json", "x-client": "spa" };
      const body = method === "GET" ? undefined : "{}";
      const answer = await fetch(url + "/cart", { method, credentials, headers, body });
      const { mode } = await answer.json();
      return { status: answer.status, mode, wait: Number(answer.headers.get("retry-after")) };
    }, [url, method, credentials]);
    const refused = async (mode, method, credentials) => {
      const read = await reads(method, credentials);
      assert.deepEqual([read.status, read.mode], [503, mode], `${method} ${credentials}`);
      assert.ok(read.wait >= 240 && read.wait <= 300, `${read.wait}`);
    };
    await asks(CLOSED);
    for (const method of ["GET", "PUT", "POST"]) {
      await refused("closed", method, "omit");
      await refused("closed", method, "include");
    }
    await asks("read-only --for 30m");
    await refused("read-only", "PUT", "include");
    server.closeAllConnections();
    server.close();
  },
};

try {
  await scenarios[scenario]();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
  // A connection that a page left open would keep us.
  process.exit();
}
