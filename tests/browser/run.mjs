// Looks at pages in a real browser: node run.mjs TOOLS CHROMIUM FOLDER SCENARIO
//
// FOLDER holds the pages that the test in Rust made. A server of this program's own serves them as a gateway would, with
// 503 and the status beside. A scenario throws where something is wrong; its end is exit code 0.
import { createRequire } from "node:module";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import assert from "node:assert/strict";
import path from "node:path";

const [tools, chromium, folder, scenario] = process.argv.slice(2);
const require = createRequire(path.join(tools, "package.json"));
const playwright = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const STATUS = "/.well-known/roadworks";

/** A site that is closed until `site.mode` is open: `/NAME.html` is the page in FOLDER, and the app once it is open. */
async function site() {
  const site = { mode: "closed", until: null, looked: 0, methods: [] };
  const server = createServer((request, response) => {
    const name = new URL(request.url, "http://site").pathname;
    if (name === STATUS || name === "/status.json") {
      site.looked += 1;
      const headers = { "content-type": "application/json", "access-control-allow-origin": "*" };
      response.writeHead(200, headers).end(JSON.stringify({ mode: site.mode, until: site.until }));
      return;
    }
    if (name.endsWith(".html")) site.methods.push(request.method);
    const headers = { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" };
    if (site.mode === "open") {
      response.writeHead(200, headers).end("<!doctype html><title>app</title><h1>The app</h1>");
      return;
    }
    try {
      const page = readFileSync(path.join(folder, path.basename(name)), "utf8");
      response.writeHead(503, headers).end(page.replaceAll("http://status.invalid", site.elsewhere));
    } catch {
      response.writeHead(404, headers).end("none");
    }
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  site.url = `http://127.0.0.1:${server.address().port}`;
  site.elsewhere = site.url;
  site.close = () => server.close();
  return site;
}

const browser = await playwright.chromium.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });

/** A page of its own, whose requests are written down. */
async function visit(url, options = {}) {
  const context = await browser.newContext({ locale: "en-US", timezoneId: "America/New_York", ...options });
  const page = await context.newPage();
  page.asked = [];
  page.asking = 0;
  page.wrong = [];
  page.on("request", (request) => { page.asked.push(request.url()); page.asking += 1; });
  for (const over of ["requestfinished", "requestfailed"]) page.on(over, () => { page.asking -= 1; });
  page.on("pageerror", (error) => page.wrong.push(String(error)));
  page.on("console", (line) => { if (line.type() === "error" && !line.text().includes("503")) page.wrong.push(line.text()); });
  if (options.held) await page.clock.install({ time: options.held });
  if (url) await page.goto(url);
  return page;
}

const NOW = new Date("2027-01-15T08:00:00Z");
const status = (page) => page.locator("[role=status]:visible").textContent();
const app = (page) => page.waitForFunction(() => document.title === "app");

/**
 * Lets `seconds` of the page's own time pass, or less once `enough()`. The network keeps the real time: what the page asks
 * has to be answered before its clock runs on, or the page gives up on an answer that is on its way.
 */
async function passes(page, seconds, enough = () => false) {
  for (let left = seconds; left > 0 && !enough(); left -= 5) {
    await page.clock.runFor(1000 * Math.min(left, 5));
    do await new Promise((later) => setTimeout(later, 50)); while (page.asking > 0);
  }
}

const scenarios = {
  /** Nothing that axe knows of, light and dark, each language in its direction. */
  async accessible(site) {
    const found = [];
    const all = readdirSync(folder).filter((name) => name.endsWith(".html"));
    for (const [colorScheme, forcedColors, names] of [["light", "none", all], ["dark", "none", all], ["dark", "active", ["en.html", "ar.html"]]]) {
      const page = await visit(null, { colorScheme, forcedColors, bypassCSP: true });
      for (const name of names) {
        await page.goto(`${site.url}/${name}`);
        await page.evaluate(axe);
        // What is best practice to axe is a rule here too.
        const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
        for (const { id, nodes } of violations) found.push(`${name} ${colorScheme} ${forcedColors}: ${id} at ${nodes[0].target}: ${nodes[0].failureSummary}`);
      }
      await page.context().close();
    }
    assert.deepEqual(found, []);
    const page = await visit(`${site.url}/ar.html`);
    const right = await page.locator("h1").evaluate((h1) => getComputedStyle(h1).direction + document.dir);
    assert.equal(right, "rtlrtl");
  },

  /** It looks by itself within the first minute, reloads once when the site is open, and not before. */
  async recovers(site) {
    const page = await visit(`${site.url}/en.html`, { held: NOW });
    await passes(page, 61);
    const looked = site.looked;
    assert.ok(looked >= 1 && looked <= 3, `it looked ${looked} times in the first minute`);
    assert.equal(site.methods.length, 1, "it is not reloaded while the site is closed");
    site.mode = "open";
    // After three looks the next is up to 88 seconds away.
    await passes(page, 90, () => site.looked > looked);
    await app(page);
    assert.deepEqual(site.methods, ["GET", "GET"]);
    assert.deepEqual(page.wrong, []);
    assert.deepEqual([...new Set(page.asked.map((url) => new URL(url).origin))], [site.url]);
  },

  /** What was sent is not sent again by itself: it says that it is time to go back. */
  async sender(site) {
    const page = await visit(null);
    await page.setContent(`<form method="post" action="${site.url}/sender.html"><textarea name="a"></textarea><button>Send</button></form>`);
    await page.fill("textarea", "a long text");
    await Promise.all([page.waitForNavigation(), page.click("button")]);
    assert.equal(site.methods.at(-1), "POST");
    await page.click("[data-now]");
    await page.waitForFunction(() => document.querySelector("[role=status]").textContent.startsWith("Not open yet"));
    site.mode = "open";
    await page.click("[data-now]");
    await page.locator("[data-back]").waitFor({ state: "visible" });
    assert.equal(await status(page), "The site is open again. Go back and send it once more.");
    assert.deepEqual(site.methods, ["POST"]);
    assert.equal(await page.locator("[data-now]").isVisible(), false);
  },

  /** A page made in advance does not know whether something was sent, so it asks for the place anew. */
  async advance(site) {
    const page = await visit(`${site.url}/index.html#de`, { locale: "fr-FR" });
    assert.equal(await page.evaluate(() => document.documentElement.lang), "de");
    await page.evaluate(() => { location.hash = ""; });
    await page.waitForFunction(() => document.documentElement.lang === "fr");
    assert.equal(await page.locator("main:visible").count(), 1);
    assert.match(await page.title(), /Fermé/);
    await page.click("nav a[lang=he]");
    await page.waitForFunction(() => document.documentElement.dir === "rtl");
    site.mode = "open";
    await page.locator("main:visible [data-now]").click();
    await app(page);
    assert.deepEqual(site.methods, ["GET", "GET"]);
    assert.deepEqual(page.wrong, []);
  },

  /** In detour the status is on another host, and nothing else is asked of anybody. */
  async elsewhere(site) {
    const other = await site_elsewhere(site);
    const page = await visit(`${site.url}/detour.html`);
    await page.click("[data-now]");
    await page.waitForFunction(() => document.querySelector("[role=status]").textContent.startsWith("Not open yet"));
    assert.equal(site.looked, 0);
    assert.ok(other.looked >= 1, "by hand, and by itself where its first time came before");
    assert.deepEqual([...new Set(page.asked.map((url) => new URL(url).origin))], [site.url, other.url]);
    other.mode = "open";
    site.mode = "open";
    await page.click("[data-now]");
    await app(page);
    other.close();
  },

  /** By keyboard alone: stop, then look by hand. */
  async keyboard(site) {
    const page = await visit(`${site.url}/en.html`, { held: NOW });
    const focused = () => page.evaluate(() => document.activeElement.textContent);
    const reach = async (text) => {
      for (let steps = 0; steps < 12 && (await focused()) !== text; steps++) await page.keyboard.press("Tab");
      assert.equal(await focused(), text);
    };
    await reach("Stop checking");
    await page.keyboard.press("Enter");
    assert.equal(await status(page), "This page no longer checks by itself.");
    assert.equal(await focused(), "Check now", "the focus is not lost with the button");
    await page.clock.runFor(3_600_000);
    assert.equal(site.looked, 0);
    site.until = "2027-01-15T10:30:00Z";
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("[role=status]").textContent.startsWith("Not open yet"));
    assert.equal(site.looked, 1);
    const end = await page.locator("[data-end]").textContent();
    assert.match(end, /^Expected end: 2027-01-15 10:30 UTC \(Friday, January 15 at 05:30 AM EST\)$/);
  },

  /** It does not look while nobody sees it, and says when the end has passed. */
  async patient(site) {
    const page = await visit(`${site.url}/en.html`, { held: NOW });
    const hide = (hidden) => page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    assert.equal(await page.locator("[data-end]").isVisible(), true);
    await hide(true);
    site.until = "2027-01-15T08:20:00Z";
    await page.clock.runFor(1_260_000);
    assert.equal(site.looked, 0);
    assert.equal(await page.locator("[data-end]").isVisible(), false);
    assert.equal(await page.locator("[data-late]").isVisible(), true);
    await hide(false);
    await passes(page, 61, () => site.looked > 0);
    assert.equal(site.looked, 1);
  },

  /** Without scripts everything that matters is there, and no button that would do nothing. */
  async plain(site) {
    const page = await visit(`${site.url}/en.html`, { javaScriptEnabled: false });
    for (const text of ["Closed for maintenance", "What you saved before is safe.", "2027-01-15 08:20 UTC", "Reload this page", "0123456789abcdef"])
      assert.equal(await page.getByText(text).first().isVisible(), true, text);
    assert.equal(await page.locator("button:visible").count(), 0);
    await page.goto(`${site.url}/index.html`);
    assert.equal(await page.locator("main:visible").getAttribute("lang"), "en");
    await page.click("nav a[lang=ja]");
    assert.equal(await page.locator("main:visible").count(), 1);
    assert.equal(await page.locator("main:visible").getAttribute("lang"), "ja");
  },
};

async function site_elsewhere(first) {
  const other = await site();
  first.elsewhere = other.url;
  return other;
}

try {
  const served = await site();
  await scenarios[scenario](served);
  served.close();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
  // A connection that a page left open would keep the server, and us.
  process.exit();
}
