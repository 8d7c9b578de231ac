// One request on the dashboard in a real browser: which attempt failed with which key, why, and where the time went.
//
//     node dashboard_trace.mjs SETUP_JSON
//
// The setup is made in tests/e2e/dashboard.rs: {"page", "key", "models", "pictures", "name"}.

import assert from "node:assert/strict";
import { chat } from "./chats.mjs";
import { hidden, picture, run, seen, setup, signedIn } from "./stage.mjs";

const { good, broken } = setup.models;
const drawer = (page) => page.locator("#trace[open]");
const story = (page) => page.locator("#trace-story > li");
const span = (page, name) => page.locator("#waterfall button.span", { hasText: name });

/** Of two requests one meets the limited key first, and goes on with the other. */
async function anAttemptThatFailedIsToldWithItsKeyAndItsReason(page) {
  await chat(good, 200, true);
  await chat(good, 200, true);
  const link = page.locator("#traces-list a", { hasText: "2 attempts" });
  await link.focus();
  await page.keyboard.press("Enter");
  await seen(drawer(page));
  await seen(story(page).nth(1));
  assert.equal(await story(page).count(), 2);
  await seen(story(page).nth(0).getByText("sk-limited").or(story(page).nth(0).getByText("…1111")));
  await seen(story(page).nth(0).getByText(/^Failed: .*429.* · the cookie's or key's fault$/));
  await seen(story(page).nth(1).getByText("…2222"));
  await seen(story(page).nth(1).getByText(/^Answered · first token after .* · 2 tokens$/));
  for (const name of ["POST /v1/chat/completions", "Gateway to core", "Core", "Attempt 1: vllm", "Attempt 2: vllm"]) {
    await seen(span(page, name).first());
  }
  await span(page, "Attempt 1: vllm").click();
  const details = page.locator("#waterfall .details");
  await seen(details.getByText("llm2api.credential.id"));
  await seen(details.locator("div", { hasText: "llm2api.attempt.fault" }).getByText("credential", { exact: true }));
  await page.keyboard.press("ArrowDown");
  const focused = await page.evaluate(() => document.activeElement.className);
  assert.equal(focused, "span", "the arrow keys go from span to span");
  await picture(page, setup.name, false);
  assert.match(page.url(), /#trace=[0-9a-f]{32}$/);
  return page.url();
}

async function escapeClosesItAndTheLinkOpensIt(page, address) {
  await page.keyboard.press("Escape");
  await hidden(page.locator("#trace"));
  assert.equal(page.url(), setup.page);
  const focused = await page.evaluate(() => document.activeElement.getAttribute("href"));
  assert.equal(`${setup.page}${focused}`, address, "the focus is where it was");
  await page.goto(address);
  await page.reload();
  await seen(story(page).nth(1));
  await page.getByRole("button", { name: "Close" }).click();
  await hidden(page.locator("#trace"));
}

async function aRequestThatFailedSaysWhatTheClientGot(page) {
  // Who is in the list by keyboard finds it as it was, until they ask for the newest.
  await page.locator("#traces-list a").first().focus();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Tab");
  await chat(broken, 502);
  await page.getByRole("button", { name: "Show the newest" }).click();
  await page.mouse.move(0, 0);
  await page.locator("#traces-list a", { hasText: "upstream_error" }).click();
  await seen(page.locator("#trace-story .story-end", { hasText: "The client got upstream_error" }));
  await page.getByRole("button", { name: "Close" }).click();
}

async function oneThatIsNotKeptIsTold(page) {
  await page.goto(`${setup.page}#trace=${"0".repeat(31)}1`);
  await seen(page.locator("#trace-empty", { hasText: "trace" }));
  await page.keyboard.press("Escape");
  await hidden(page.locator("#trace"));
}

async function itFitsAPhone(address) {
  const page = await signedIn({ viewport: { width: 360, height: 640 }, deviceScaleFactor: 2, colorScheme: "dark" });
  await page.goto(address);
  await seen(story(page).nth(1));
  await picture(page, `${setup.name}-phone`, false);
  await page.context().close();
}

await run(async () => {
  const page = await signedIn();
  const address = await anAttemptThatFailedIsToldWithItsKeyAndItsReason(page);
  await escapeClosesItAndTheLinkOpensIt(page, address);
  await aRequestThatFailedSaysWhatTheClientGot(page);
  await oneThatIsNotKeptIsTold(page);
  await itFitsAPhone(address);
});
