// The page /key in a real browser, as an operator uses it.
//
//     node key_page.mjs SETUP_JSON
//
// The setup is made in tests/e2e/keys/page.rs: {"page", "key", "pictures"}.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.LLM2API_TEST_TOOLS}/package.json`);
const { chromium } = require("playwright-core");

const setup = JSON.parse(process.argv[2]);

const browser = await chromium.launch({
  executablePath: execFileSync("which", ["chromium"], { encoding: "utf8" }).trim(),
  chromiumSandbox: process.getuid() !== 0,
  // What would look for hosts of its maker.
  args: ["--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/** What pages complained of. */
const complaints = [];

/** A page in a browser of its own, signed in, which complains of nothing and asks no other origin. */
async function signedIn(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-GB", timezoneId: "Asia/Shanghai", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => complaints.push(`${error}`));
  page.on("console", (message) => {
    // A refusal is an answer like others.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(setup.page).origin) complaints.push(`asked ${request.url()}`);
  });
  await page.goto(`${setup.page}#key=${setup.key}`);
  return page;
}

const seen = (locator) => locator.waitFor({ state: "visible" });
const gone = (locator) => locator.waitFor({ state: "detached" });
const row = (page, text) => page.locator("#keys-list .row").filter({ hasText: text });

/** Asks for the models with a key: the status. */
async function statusWith(value) {
  const response = await fetch(new URL("v1/models", setup.page), { headers: { Authorization: `Bearer ${value}` } });
  return response.status;
}

/** Calls the API beside the page. */
async function call(method, address, body) {
  const response = await fetch(new URL(address, setup.page), {
    method,
    headers: { Authorization: `Bearer ${setup.key}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  assert.equal(response.status, 200, address);
  return response.json();
}

async function aKeyIsMadeAndItsValueShownOnce(page) {
  await seen(page.locator("#keys-empty", { hasText: "None yet." }));
  await page.locator("#make-networks").fill("everywhere");
  await page.getByRole("button", { name: "Make key" }).click();
  await seen(page.locator("#make-networks-fault:not([hidden])"));
  await page.locator("#make-label").fill("Anna's phone");
  await page.locator("#make-expires_at").fill("2099-01-31");
  await page.locator("#make-requests_per_minute").fill("60");
  await page.locator("#make-tokens_per_day").fill("1000000");
  await page.locator("#make-tokens_total").fill("5000000");
  await page.locator("#make-models").fill("test-model, other");
  await page.locator("#make-networks").fill("127.0.0.0/8 10.0.0.0/8");
  await page.getByRole("checkbox", { name: "Web search" }).first().uncheck();
  await page.getByRole("button", { name: "Make key" }).click();
  await seen(page.getByRole("heading", { name: "Anna's phone is ready" }));
  const value = await page.locator("#made-value").textContent();
  assert.match(value, /^sk-[0-9A-Za-z]{48}$/);
  assert.equal(await statusWith(value), 200);
  const made = row(page, "Anna's phone");
  for (const text of ["Active", "until Jan 31, 2099", "test-model, other", "127.0.0.0/8", "no web search", "0 of 60", "0 of 1,000,000", "0 of 5,000,000"]) {
    await seen(made.getByText(text).first());
  }
  assert.equal(await page.locator("#make-label").inputValue(), "", "the next one begins empty");
  const [stored] = (await call("GET", "keys")).data;
  // The day ends where the operator is.
  assert.equal(stored.expires_at, Date.UTC(2099, 0, 31, 16) / 1000);
  await page.getByRole("button", { name: "Copy" }).click();
  await seen(page.getByRole("button", { name: "Copied" }));
  await page.getByRole("button", { name: "Done" }).click();
  const text = await page.locator("body").innerText();
  assert.ok(!text.includes(value), "the value is off the page");
  return value;
}

async function useIsShownAgainstItsLimits(page, value) {
  for (let count = 0; count < 2; count += 1) {
    const response = await fetch(new URL("v1/chat/completions", setup.page), {
      method: "POST",
      headers: { Authorization: `Bearer ${value}`, "Content-Type": "application/json" },
      body: JSON.stringify({ model: "test-model", messages: [{ role: "user", content: "hi" }] }),
    });
    assert.equal(response.status, 200);
  }
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await seen(row(page, "Anna's phone").getByText("2 of 60 requests this minute"));
  await seen(row(page, "Anna's phone").getByText("26 of 1,000,000 tokens today"));
  await seen(row(page, "Anna's phone").getByText("used "));
}

async function whatAKeyAllowsIsChanged(page) {
  const [before] = (await call("GET", "keys")).data;
  await page.getByRole("button", { name: "Edit Anna's phone" }).click();
  const dialog = page.getByRole("dialog", { name: "Edit Anna's phone" });
  assert.equal(await dialog.locator("#edit-expires_at").inputValue(), "2099-01-31");
  await dialog.locator("#edit-requests_per_minute").fill("0.5");
  await dialog.getByRole("button", { name: "Save" }).click();
  await seen(dialog.locator("#edit-requests_per_minute-fault:not([hidden])"));
  await dialog.locator("#edit-requests_per_minute").fill("");
  await dialog.locator("#edit-models").fill("");
  await dialog.locator("#edit-label").fill("Anna's tablet");
  await dialog.getByRole("checkbox", { name: "Web search" }).check();
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "hidden" });
  await seen(row(page, "Anna's tablet").getByText("2 requests"));
  const [after] = (await call("GET", "keys")).data;
  assert.deepEqual(after, { ...before, label: "Anna's tablet", models: null, requests_per_minute: null, requests_this_minute: after.requests_this_minute, web_search: true });
}

async function aValueIsReplaced(page, value) {
  await page.getByRole("button", { name: "New value for Anna's tablet" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Make new value" }).click();
  await seen(page.getByRole("heading", { name: "Anna's tablet is ready" }));
  const next = await page.locator("#made-value").textContent();
  assert.notEqual(next, value);
  assert.equal(await statusWith(next), 200);
}

async function aKeyIsRevokedAfterAQuestion(page) {
  await call("POST", "keys", { label: "spare" });
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  const revoke = page.getByRole("button", { name: "Revoke spare" });
  await revoke.focus();
  await page.keyboard.press("Enter");
  const question = page.getByRole("dialog", { name: "Revoke spare?" });
  await seen(question);
  await page.keyboard.press("Escape");
  await question.waitFor({ state: "hidden" });
  await seen(row(page, "spare"));
  await page.keyboard.press("Enter");
  await question.getByRole("button", { name: "Revoke" }).click();
  await gone(row(page, "spare"));
  assert.deepEqual((await call("GET", "keys")).data.map(({ label }) => label), ["Anna's tablet"]);
}

async function signingOutTakesAllOffThePage(page) {
  await page.getByRole("button", { name: "Sign out" }).click();
  await gone(row(page, "Anna's tablet"));
  assert.equal(await page.locator("#made-value").textContent(), "");
  assert.deepEqual(await page.evaluate(() => Object.values(sessionStorage)), []);
}

async function itFitsEveryScreen() {
  const day = 24 * 60 * 60;
  const now = Math.floor(Date.now() / 1000);
  await call("POST", "keys", { label: "团队 A", tokens_per_day: 20, requests_per_minute: 10, expires_at: now + 90 * day });
  await call("POST", "keys", { label: "a label that is rather long, as labels of people are who like to be exact", networks: ["2001:db8:1234:5678::/64"], introspection: true });
  await call("POST", "keys", {});
  const screens = {
    "desktop-light-en": { colorScheme: "light" },
    "desktop-dark-zh": { colorScheme: "dark", locale: "zh-CN" },
    "phone-light-zh": { colorScheme: "light", locale: "zh-CN", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
    "phone-dark-en": { colorScheme: "dark", viewport: { width: 320, height: 640 }, deviceScaleFactor: 2 },
  };
  for (const [name, options] of Object.entries(screens)) {
    const page = await signedIn(options);
    await seen(row(page, "团队 A"));
    const fits = async (what) => {
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(excess <= 0, `${what} on ${name} is ${excess} pixels too wide`);
    };
    await fits("the page");
    await page.screenshot({ path: `${setup.pictures}/key-${name}.png`, fullPage: true });
    await row(page, "团队 A").locator("button").first().click();
    await fits("the dialog");
    await page.screenshot({ path: `${setup.pictures}/key-edit-${name}.png` });
    await page.context().close();
  }
}

try {
  const page = await signedIn();
  try {
    const value = await aKeyIsMadeAndItsValueShownOnce(page);
    await useIsShownAgainstItsLimits(page, value);
    await whatAKeyAllowsIsChanged(page);
    await aValueIsReplaced(page, value);
    await aKeyIsRevokedAfterAQuestion(page);
    await signingOutTakesAllOffThePage(page);
  } catch (error) {
    await page.screenshot({ path: `${setup.pictures}/key-failed.png`, fullPage: true });
    throw error;
  }
  await itFitsEveryScreen();
  assert.deepEqual(complaints, []);
} finally {
  await browser.close();
}
console.log("all checks passed");
