// The page /cookie in a real browser, as an operator uses it.
//
//     node cookie_page.mjs SETUP_JSON
//
// The setup is made in tests/e2e/administration/page.rs: {"page", "key", "site", "valid": [session…], "expired", "pictures", "cases"}.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { gone, open, picture, run, seen, setup, signedIn } from "./stage.mjs";

const [first, second, third, fourth, fifth] = setup.valid;
const host = new URL(setup.site).hostname;

const row = (page, text) => page.locator("#pool .row").filter({ hasText: text });
const end = (session) => session.slice(-4);
const exported = (value) => JSON.stringify([{ domain: host, name: "hf-chat", value }, { domain: host, name: "theme", value: "dark" }]);

/** Somebody comes back to the page: it asks at once, where it would every few seconds. */
const lookAgain = (page) => page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));

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

async function aWrongKeyIsToldAndTheRightOneOpens() {
  const page = await open();
  const dialog = page.getByRole("dialog", { name: "Sign in" });
  await dialog.getByLabel("Admin key").fill("wrong");
  await page.keyboard.press("Enter");
  await seen(dialog.getByRole("alert").filter({ hasText: "key" }));
  assert.equal(await dialog.getByLabel("Admin key").inputValue(), "wrong", "nothing typed is lost");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await seen(page.locator("#pool-empty", { hasText: "Sign in" }));
  await page.getByRole("button", { name: "Enter key" }).click();
  await dialog.getByLabel("Admin key").fill(setup.key);
  await dialog.getByRole("button", { name: "Sign in" }).click();
  await dialog.waitFor({ state: "hidden" });
  await seen(page.locator("#services-empty", { hasText: "Nothing is connected yet." }));
  return page;
}

async function aServiceIsConnected(page) {
  await page.getByRole("button", { name: "Connect and test" }).click();
  await seen(page.locator("#connect-url-fault", { hasText: "address" }));
  const url = page.getByLabel("Address");
  const cookie = page.getByLabel("Key or cookie, if it needs one");
  await url.fill(setup.site);
  await cookie.fill(setup.expired);
  await page.getByRole("button", { name: "Connect and test" }).click();
  await seen(page.locator("#connect-cookie-fault:not([hidden])"));
  assert.equal(await cookie.inputValue(), setup.expired, "what is refused can be put right");
  await page.getByText("More settings").first().click();
  await page.getByLabel("Name").fill("chat");
  await cookie.fill(`${first}\n${second}`);
  await page.getByRole("button", { name: "Connect and test" }).click();
  await seen(page.getByRole("heading", { name: "chat is connected" }));
  await seen(page.getByRole("button", { name: "test-model", pressed: true }));
  const line = await page.locator("#curl").textContent();
  assert.match(line, /^curl http:\/\/.*\/prefix\/v1\/chat\/completions /);
  assert.ok(line.includes('"model":"test-model"'), line);
  assert.ok(!line.includes(setup.key), "the line to try has no key");
  assert.equal(await cookie.inputValue(), "", "what is accepted leaves the page");
  assert.equal(await page.locator("#add-cookies").inputValue(), second, "the others wait in the next form");
  await page.getByRole("button", { name: "Copy" }).click();
  await seen(page.getByRole("button", { name: "Copied" }));
  await seen(row(page, end(first)));
}

async function manyArePastedAtOnce(page) {
  const field = page.locator("#add-cookies");
  const netscape = `# Netscape HTTP Cookie File\n\n#HttpOnly_${host}\tFALSE\t/\tFALSE\t0\thf-chat\t${fourth}`;
  await field.fill(`${second}\n${setup.expired}\n${exported(third)}\n${netscape}\n\nCookie: hf-chat=${first}`);
  await seen(page.getByText("5 found."));
  await page.locator("#add-label").fill("Anna");
  await page.getByRole("button", { name: "Check and add" }).click();
  await seen(page.locator("#add-outcome", { hasText: "4 accepted, 1 rejected." }));
  const results = page.locator("#add-results li");
  assert.equal(await results.filter({ hasText: "accepted" }).count(), 3);
  await seen(results.filter({ hasText: "was there already" }));
  await seen(results.filter({ hasText: "rejected: " }));
  assert.equal(await field.inputValue(), setup.expired, "only what was rejected is left");
  await field.fill("");
  await page.locator("#add-label").fill("");
  for (const session of [first, second, third, fourth]) await seen(row(page, end(session)));
  const text = await page.locator("body").innerText();
  for (const session of setup.valid) assert.ok(!text.includes(session), "no value is shown");
}

async function oneIsWatchedAndChanged(page) {
  const cookies = (await call("GET", "cookies")).data;
  const id = cookies.find(({ preview }) => preview.endsWith(end(second))).id;
  // What happens elsewhere shows by itself, and leaves the focus where it is.
  await row(page, end(third)).getByRole("button", { name: /^Check/ }).focus();
  await call("PATCH", `cookies/${id}`, { disabled: true });
  await seen(row(page, end(second)).getByText("Disabled"));
  const focused = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  assert.match(focused, /^Check /, "the focus stays");
  await row(page, end(second)).getByRole("button", { name: /^Enable/ }).click();
  await seen(row(page, end(second)).getByText("Valid"));
  await row(page, end(second)).getByRole("button", { name: /^Check/ }).click();
  await seen(page.getByRole("status").filter({ hasText: ": Valid" }));

  await row(page, end(second)).getByRole("button", { name: /^Label/ }).click();
  await page.getByRole("dialog", { name: "Label" }).getByRole("textbox").fill("Bob");
  await page.keyboard.press("Enter");
  await seen(row(page, end(second)).getByText("Bob"));

  // By keyboard: Escape answers no, Enter on the button yes.
  const remove = row(page, end(second)).getByRole("button", { name: "Remove Bob" });
  await remove.focus();
  await page.keyboard.press("Enter");
  const question = page.getByRole("dialog", { name: "Remove Bob?" });
  await seen(question);
  await page.keyboard.press("Escape");
  await question.waitFor({ state: "hidden" });
  await seen(row(page, end(second)));
  await page.keyboard.press("Enter");
  await seen(question);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await gone(row(page, end(second)));
}

async function theListIsNarrowed(page) {
  const group = page.getByRole("group", { name: "State" });
  const id = (await call("GET", "cookies")).data.at(-1).id;
  await call("PATCH", `cookies/${id}`, { disabled: true });
  await lookAgain(page);
  await group.getByRole("button", { name: "Disabled 1" }).click();
  await seen(page.locator("#pool .row:only-child").getByText("Disabled"));
  await group.getByRole("button", { name: /^All/ }).click();
  await seen(row(page, end(first)));
  await page.getByRole("combobox", { name: "Service" }).last().selectOption("chat");
  await seen(row(page, end(first)));
  await call("PATCH", `cookies/${id}`, { disabled: false });
}

async function anOutageIsToldAndNothingTypedIsLost(page) {
  const field = page.locator("#add-cookies");
  await field.fill(fifth);
  await page.route(/\/(cookies\?|upstreams$|cookie\/add)/, (route) => route.abort());
  await lookAgain(page);
  await seen(page.locator("#banner", { hasText: "can't be reached" }));
  await page.getByRole("button", { name: "Check and add" }).click();
  await seen(page.locator("#add-outcome", { hasText: "Stopped" }));
  assert.equal(await field.inputValue(), fifth);
  await seen(row(page, end(first)));
  await page.unroute(/\/(cookies\?|upstreams$|cookie\/add)/);
  await lookAgain(page);
  await page.locator("#banner").waitFor({ state: "hidden" });
  await page.getByRole("button", { name: "Check and add" }).click();
  await seen(row(page, end(fifth)));
}

async function aServiceIsTestedAndRemoved(page) {
  const service = page.locator("#services .row").filter({ hasText: "spare" });
  await call("POST", "upstreams", { name: "spare", url: setup.site });
  await lookAgain(page);
  await service.getByRole("button", { name: "Test spare" }).click();
  await seen(service.getByText(/It answered in|spare|refuse/).first());
  await service.getByRole("button", { name: "Remove spare" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await gone(service);
}

async function aSignInLinkLeavesNoTrace() {
  const page = await signedIn();
  await seen(row(page, end(first)));
  assert.equal(page.url(), setup.page);
  await page.reload();
  await seen(row(page, end(first)));
  await page.getByRole("button", { name: "Sign out" }).click();
  await gone(row(page, end(first)));
  assert.deepEqual(await page.evaluate(() => Object.values(sessionStorage)), []);
  await page.context().close();
}

async function chineseIsSpokenWhereTheBrowserDoes() {
  const page = await signedIn({ locale: "zh-CN" });
  await seen(page.getByRole("heading", { name: "连接服务" }));
  await seen(row(page, end(first)).getByText("有效"));
  assert.equal(await page.locator("html").getAttribute("lang"), "zh-CN");
  await page.getByRole("button", { name: "English" }).click();
  await seen(row(page, end(first)).getByText("Valid"));
  await page.reload();
  await seen(page.getByRole("heading", { name: "Connect a service" }));
  await page.context().close();
}

async function itFitsEveryScreen() {
  const screens = {
    "desktop-light-en": { colorScheme: "light" },
    "desktop-dark-zh": { colorScheme: "dark", locale: "zh-CN" },
    "phone-light-zh": { colorScheme: "light", locale: "zh-CN", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
    "phone-dark-en": { colorScheme: "dark", viewport: { width: 320, height: 640 }, deviceScaleFactor: 2 },
  };
  for (const [name, options] of Object.entries(screens)) {
    const page = await signedIn(options);
    await seen(row(page, end(first)));
    await picture(page, `cookie-${name}`);
    await page.context().close();
  }
}

async function whatIsPastedIsSplitAsTheCommandLineDoes(page) {
  for (const { text, pieces } of JSON.parse(readFileSync(setup.cases, "utf8"))) {
    const found = await page.evaluate(async (pasted) => {
      const { split } = await import(new URL("assets/split.js", document.baseURI));
      return split(pasted).map((piece) => piece.text);
    }, text);
    assert.deepEqual(found, pieces, text);
  }
}

await run(async () => {
  const page = await aWrongKeyIsToldAndTheRightOneOpens();
  await aServiceIsConnected(page);
  await manyArePastedAtOnce(page);
  await oneIsWatchedAndChanged(page);
  await theListIsNarrowed(page);
  await anOutageIsToldAndNothingTypedIsLost(page);
  await aServiceIsTestedAndRemoved(page);
  await whatIsPastedIsSplitAsTheCommandLineDoes(page);
  await aSignInLinkLeavesNoTrace();
  await chineseIsSpokenWhereTheBrowserDoes();
  await itFitsEveryScreen();
});
