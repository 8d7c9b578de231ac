// The operator's key: asked for, and kept for as long as this tab lives.

import { element, setShown, setText, busy } from "./element.js";
import { say, translate, onLanguage } from "./i18n.js";

const STORED = "llm2api-key";
const listeners = [];
let verify;
let dialog;
let shownButton;

/** The key, or an empty text. */
export const key = () => sessionStorage.getItem(STORED) ?? "";

/** Calls back when there is another key, or none. */
export const onKey = (listener) => listeners.push(listener);

function keep(value) {
  if (value === "") sessionStorage.removeItem(STORED);
  else sessionStorage.setItem(STORED, value);
  showButton();
  for (const listener of listeners) listener();
}

/** The key was refused: it is asked for anew, with the reason. */
export function refuseKey(error) {
  keep("");
  ask(error.text);
}

function showButton() {
  shownButton.dataset.text = key() === "" ? "key.enter" : "key.forget";
  translate(shownButton.parentElement);
}

/** Takes a key out of the address, where a sign-in link has put it, and out of the history. Tells whether there was one. */
function takeFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given === null) return false;
  history.replaceState(null, "", location.pathname + location.search);
  if (given !== "") sessionStorage.setItem(STORED, given);
  return given !== "";
}

/** Asks for the key, saying why. */
function ask(why = "") {
  setText(dialog.fault, why);
  setShown(dialog.fault, why !== "");
  if (!dialog.window.open) dialog.window.showModal();
  dialog.input.focus();
}

function makeDialog() {
  const input = element("input", {
    type: "password",
    id: "key",
    autocomplete: "current-password",
    required: true,
    "aria-describedby": "key-help key-fault",
  });
  const fault = element("p", { class: "fault", id: "key-fault", hidden: true, role: "alert" });
  const submit = element("button", { class: "primary", "data-text": "key.submit" });
  const later = element("button", { type: "button", class: "quiet", "data-text": "key.later" });
  const form = element(
    "form",
    {},
    element("h2", { id: "key-title", "data-text": "key.title" }),
    element("p", { class: "muted", id: "key-help", "data-text": "key.help" }),
    element("div", { class: "field" }, element("label", { htmlFor: "key", "data-text": "key.label" }), input, fault),
    element("div", { class: "dialog-end" }, later, submit),
  );
  const window = element("dialog", { "aria-labelledby": "key-title", id: "key-dialog" }, form);
  document.body.append(window);
  later.addEventListener("click", () => window.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(submit, async () => {
      const given = input.value.trim();
      if (given === "") return ask(say("key.missing"));
      const why = await verify(given);
      if (why) return ask(why);
      input.value = "";
      keep(given);
      window.close();
    });
  });
  return { window, input, fault };
}

/** Begins: `check(key)` tells by a promise why a key is refused, `button` enters or forgets the key. */
export function startKeys(button, check) {
  verify = check;
  shownButton = button;
  dialog = makeDialog();
  translate(dialog.window);
  onLanguage(() => translate(dialog.window));
  takeFromAddress();
  addEventListener("hashchange", () => {
    if (takeFromAddress()) keep(key());
  });
  button.addEventListener("click", () => {
    if (key() === "") ask();
    else keep("");
  });
  showButton();
  if (key() === "") ask();
}
