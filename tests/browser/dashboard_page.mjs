// The dashboard in a real browser, as an operator watches it.
//
//     node dashboard_page.mjs SETUP_JSON
//
// The setup is made in tests/e2e/dashboard.rs: {"page", "key", "control", "models", "pictures", "name"}. A question to `control` is
// answered when the instance has been restarted.

import assert from "node:assert/strict";
import { chat, leave } from "./chats.mjs";
import { hidden, open, picture, run, seen, setup, signedIn } from "./stage.mjs";

const { good, broken, endless } = setup.models;

const tile = (page, name) => page.locator(`#tile-${name}`);
/** A tile with exactly this value, and what stands below it. */
async function tileSays(page, name, value, below) {
  await seen(tile(page, name).and(page.locator(`:text-is("${value}")`)));
  if (below) await seen(tile(page, name).locator("xpath=following-sibling::p").and(page.locator(`:text-is("${below}")`)));
}
const row = (page, table, text) => page.locator(`#${table} tbody tr`).filter({ hasText: text });
const cells = async (locator) => (await locator.locator("td .cell").allInnerTexts()).map((text) => text.replaceAll(/\s+/g, " ").trim());

async function aWrongKeyIsToldAndTheRightOneOpens() {
  const page = await open();
  const dialog = page.getByRole("dialog", { name: "Sign in" });
  await dialog.getByLabel("Admin key").fill("wrong");
  await page.keyboard.press("Enter");
  await seen(dialog.getByRole("alert").filter({ hasText: "key" }));
  await dialog.getByLabel("Admin key").fill(setup.key);
  await page.keyboard.press("Enter");
  await hidden(dialog);
  await seen(page.getByRole("heading", { name: "Ready for the first request" }));
  return page;
}

async function beforeTheFirstRequestItSaysWhatToDo(page) {
  await seen(page.getByRole("heading", { name: "Your first request" }));
  await seen(page.locator("#curl", { hasText: `"model":"${broken}"` }).or(page.locator("#curl", { hasText: `"model":"${good}"` })).or(page.locator("#curl", { hasText: `"model":"${endless}"` })));
  const line = await page.locator("#curl").textContent();
  assert.match(line, /^curl http:\/\/.*\/prefix\/v1\/chat\/completions /);
  assert.ok(!line.includes(setup.key), "the line to try has no key");
  await tileSays(page, "requests", "0", "0 in the last minute · 0 in all");
  await picture(page, `${setup.name}-idle`);
}

/** Six answered chats, of which one met a limit first; one that failed, one of a wrong model, one that was left. */
async function whatIsSentIsCountedLive(page) {
  await chat(good);
  await tileSays(page, "requests", "1", "1 in the last minute · 1 in all");
  await hidden(page.getByRole("heading", { name: "Your first request" }));
  for (const stream of [true, false, true, false, true]) await chat(good, 200, stream);
  await chat(broken, 502);
  await chat("nobody-has-this", 404);
  await leave(endless);
  await tileSays(page, "requests", "9", "9 in the last minute · 9 in all");
  await tileSays(page, "errors", "11%", "1 failed · 1 rejected · 1 cancelled");
  await tileSays(page, "inFlight", "0");
  await seen(page.locator("#errors li", { hasText: "upstream_error" }));
  // Of the models: requests, errors.
  for (const [model, requests, errors] of [[good, "6", "–"], [broken, "1", "1 · 100%"], [endless, "1", "–"]]) {
    await seen(row(page, "models", model));
    assert.deepEqual((await cells(row(page, "models", model))).slice(0, 2), [requests, errors], model);
  }
  // The two tokens and eleven of each answer are what the upstream reported.
  assert.equal((await cells(row(page, "models", good)))[4], "12 66");
  await seen(row(page, "keys", "admin key"));
  assert.deepEqual((await cells(row(page, "keys", "admin key"))).slice(0, 2), ["9", "1 · 11%"]);
  await seen(row(page, "cookies", "1111").getByText("Cooling"));
  await seen(row(page, "cookies", "1111").getByText(/again in \d+:\d\d/));
  await seen(row(page, "cookies", "2222"));
  await seen(page.locator("#notices", { hasText: "1 cookie or key can't be used now: 1 cooling" }));
  const drawn = await page.locator("#requests-chart .bars.accent").getAttribute("d");
  assert.match(drawn, /^M/, "there are bars");
}

async function anotherWindowIsChosenByKeyboard(page) {
  const group = page.getByRole("group", { name: "Time" });
  const plot = page.getByRole("slider", { name: "Requests" });
  const hour = await plot.getAttribute("aria-valuemax");
  await group.getByRole("button", { name: "Hour" }).focus();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await seen(group.getByRole("button", { name: "Day", pressed: true }));
  await tileSays(page, "requests", "9");
  // The course of the day comes with the next answer.
  await seen(page.locator(`#requests-chart .plot:not([aria-valuemax="${hour}"])`));
  await plot.focus();
  await page.keyboard.press("End");
  assert.match(await plot.getAttribute("aria-valuetext"), /: failed \d+, rejected \d+, cancelled \d+, answered \d+$/);
  await seen(plot.locator(".told"));
  await page.keyboard.press("Escape");
  await hidden(plot.locator(".told"));
  await page.reload();
  await seen(group.getByRole("button", { name: "Day", pressed: true }));
  await group.getByRole("button", { name: "Hour" }).click();
}

async function theListIsNarrowed(page) {
  const traces = page.locator("#traces-list li");
  const group = page.getByRole("group", { name: "Outcome" });
  const count = (number) => seen(page.locator(`#traces-list:not(:has(li:nth-child(${number + 1}))) li:nth-child(${number})`));
  await group.getByRole("button", { name: "All" }).click();
  await count(9);
  await group.getByRole("button", { name: "Failed" }).click();
  await count(1);
  await seen(traces.getByText("upstream_error"));
  await group.getByRole("button", { name: "Rejected" }).click();
  await seen(traces.getByText("model_not_found"));
  await group.getByRole("button", { name: "Cancelled" }).click();
  await seen(traces.getByText(endless));
  await group.getByRole("button", { name: "OK" }).click();
  await count(6);
  await page.getByRole("combobox", { name: "Took" }).selectOption("120");
  await seen(page.getByText("None is like this."));
  await page.getByRole("combobox", { name: "Took" }).selectOption("0");
  await group.getByRole("button", { name: "All" }).click();
  await page.getByRole("combobox", { name: "Model" }).selectOption(broken);
  await count(1);
  await page.getByRole("combobox", { name: "Model" }).selectOption("");
  await count(9);
}

async function aRestartIsToldAndItGoesOn(page) {
  const restarted = fetch(setup.control);
  await seen(page.locator("#live", { hasText: "The connection is lost. Trying again …" }));
  assert.equal((await restarted).status, 204);
  await seen(page.locator("#live", { hasText: "Live" }));
  await tileSays(page, "requests", "9");
  await chat(good);
  await tileSays(page, "requests", "10");
}

async function chineseIsSpokenWhereTheBrowserDoes() {
  const page = await signedIn({ locale: "zh-CN" });
  assert.equal(page.url(), setup.page, "a sign-in link leaves no trace");
  await seen(page.getByRole("heading", { name: "最近的请求" }));
  await seen(tile(page, "requests").locator("xpath=following-sibling::p", { hasText: "累计 10" }));
  assert.equal(await page.locator("html").getAttribute("lang"), "zh-CN");
  await page.getByRole("button", { name: "English" }).click();
  await seen(page.getByRole("heading", { name: "Recent requests" }));
  await page.getByRole("button", { name: "Sign out" }).click();
  await seen(page.getByRole("heading", { name: "Sign in to see what is going on" }));
  await tileSays(page, "requests", "–");
  assert.deepEqual(await page.evaluate(() => Object.values(sessionStorage)), []);
  await page.context().close();
}

async function itFitsEveryScreen() {
  const screens = {
    "desktop-light-en": { colorScheme: "light", viewport: { width: 1440, height: 900 } },
    "desktop-dark-zh": { colorScheme: "dark", locale: "zh-CN", viewport: { width: 1920, height: 1080 } },
    "phone-light-zh": { colorScheme: "light", locale: "zh-CN", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
    "phone-dark-en": { colorScheme: "dark", viewport: { width: 360, height: 640 }, deviceScaleFactor: 2 },
  };
  for (const [name, options] of Object.entries(screens)) {
    const page = await signedIn({ reducedMotion: "reduce", ...options });
    await seen(row(page, "models", good));
    await seen(page.locator("#traces-list li").first());
    await picture(page, `${setup.name}-${name}`);
    await page.context().close();
  }
}

await run(async () => {
  const page = await aWrongKeyIsToldAndTheRightOneOpens();
  await beforeTheFirstRequestItSaysWhatToDo(page);
  await whatIsSentIsCountedLive(page);
  await anotherWindowIsChosenByKeyboard(page);
  await theListIsNarrowed(page);
  await aRestartIsToldAndItGoesOn(page);
  await chineseIsSpokenWhereTheBrowserDoes();
  await itFitsEveryScreen();
});
