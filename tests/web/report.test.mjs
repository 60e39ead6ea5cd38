// Usage: node report.test.mjs PAGE [SCREENSHOTS]; see README.md.
import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [page_path, screenshots] = process.argv.slice(2);
if (!page_path) {
  console.error("usage: node report.test.mjs PAGE [SCREENSHOTS]");
  process.exit(2);
}
const url = pathToFileURL(resolve(page_path)).href;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const flags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

async function open(profile, options) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: flags, ...options,
  });
  const page = await context.newPage();
  const requests = [];
  const errors = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url);
  return { context, page, requests, errors };
}

async function drawn(page, times) {
  await page.waitForFunction((n) => Number(document.documentElement.dataset.drawn) >= n, times, { timeout: 30000 });
}

async function check_layout(page) {
  const wide = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(wide[0] <= wide[1], `the page is ${wide[0]} wide on a screen of ${wide[1]}`);
}

async function check_plots(page) {
  const wrong = await page.evaluate(() =>
    Array.from(document.querySelectorAll(".chart")).filter((box) => {
      const svg = box.querySelector("svg");
      if (!svg || !svg.querySelector(".mark-symbol path, .mark-text text")) return true;
      return svg.getBoundingClientRect().right > box.getBoundingClientRect().right + 1;
    }).map((box) => box.id));
  assert.deepEqual(wrong, [], "plots missing, empty or wider than their box");
}

async function check_axe(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }));
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(" | ")}`), []);
}

async function check(width, scheme) {
  const profile = mkdtempSync(join(tmpdir(), "palinode-web-"));
  const { context, page, requests, errors } = await open(profile, {
    viewport: { width, height: 900 }, colorScheme: scheme,
  });
  try {
    await drawn(page, 1);
    await check_layout(page);
    await check_plots(page);
    if (screenshots) {
      mkdirSync(screenshots, { recursive: true });
      await page.screenshot({ path: join(screenshots, `${width}-${scheme}.png`), fullPage: true });
    }
    await check_axe(page);
    const color = () => page.evaluate(() => document.querySelector(".chart svg text")?.getAttribute("fill"));
    const before = await color();
    await page.emulateMedia({ colorScheme: scheme === "light" ? "dark" : "light" });
    await drawn(page, 2);
    if (before) assert.notEqual(await color(), before, "the plots kept their colors");
    assert.deepEqual(errors, []);
    assert.deepEqual(requests, [url], "exactly one request");
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
  console.log(`ok ${width} ${scheme}`);
}

async function check_without_scripts() {
  const profile = mkdtempSync(join(tmpdir(), "palinode-web-"));
  const { context, page, requests } = await open(profile, { javaScriptEnabled: false });
  try {
    assert.ok((await page.locator("main table").count()) >= 2);
    assert.deepEqual(requests, [url], "exactly one request");
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
  console.log("ok without scripts");
}

for (const width of [1280, 390]) {
  for (const scheme of ["light", "dark"]) await check(width, scheme);
}
await check_without_scripts();
