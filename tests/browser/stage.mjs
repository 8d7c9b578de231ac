// What each check of a page begins with: a browser, and pages in it that must complain of nothing and ask no other origin.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.LLM2API_TEST_TOOLS}/package.json`);
const { chromium } = require("playwright-core");

/** What the test in Rust tells. */
export const setup = JSON.parse(process.argv[2]);

const browser = await chromium.launch({
  executablePath: execFileSync("which", ["chromium"], { encoding: "utf8" }).trim(),
  chromiumSandbox: process.getuid() !== 0,
  // What would look for hosts of its maker.
  args: ["--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/** What pages complained of. */
const complaints = [];

/** A page in a browser of its own. */
export async function open(options, address = setup.page) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-GB", ...options });
  const page = await context.newPage();
  // Below the deadline of the whole, so that it is told what was waited for.
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => complaints.push(`${error}`));
  page.on("console", (message) => {
    // A refusal is an answer like others.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(setup.page).origin) complaints.push(`asked ${request.url()}`);
  });
  await page.goto(address);
  return page;
}

/** A page of somebody who came by a sign-in link. */
export const signedIn = (options) => open(options, `${setup.page}#key=${setup.key}`);

export const seen = (locator) => locator.waitFor({ state: "visible" });
export const gone = (locator) => locator.waitFor({ state: "detached" });
export const hidden = (locator) => locator.waitFor({ state: "hidden" });

/** Takes a picture of the page, which must be no wider than its screen. */
export async function picture(page, name, fullPage = true) {
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(excess <= 0, `${name} is ${excess} pixels too wide`);
  await page.screenshot({ path: `${setup.pictures}/${name}.png`, fullPage });
}

/** Runs the checks of a page. */
export async function run(checks) {
  try {
    await checks();
    assert.deepEqual(complaints, []);
  } catch (error) {
    const pages = browser.contexts().flatMap((context) => context.pages());
    await pages.at(0)?.screenshot({ path: `${setup.pictures}/${setup.name ?? "page"}-failed.png`, fullPage: true });
    throw error;
  } finally {
    await browser.close();
  }
  console.log("all checks passed");
}
