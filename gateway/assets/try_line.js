// The line that asks this instance something, to be tried in a terminal.

import { setText } from "./element.js";
import { say } from "./i18n.js";

/** A line for a shell that asks this model. The key stays out of it. */
export function tryLine(model) {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "Say hello." }] }).replaceAll("'", "'\\''");
  const url = new URL("v1/chat/completions", document.baseURI).href;
  return `curl ${url} \\\n  -H "Authorization: Bearer $API_KEY" \\\n  -H 'Content-Type: application/json' \\\n  -d '${body}'`;
}

/** Copies, also where the page came without encryption and browsers offer no clipboard. */
async function copy(button, text, node) {
  const words = button.dataset.text;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection().selectAllChildren(node);
    document.execCommand("copy");
  }
  setText(button, say("copied"));
  setTimeout(() => setText(button, say(words)), 2000);
}

/** Lets a button copy an element's text. */
export function startCopying(button, node) {
  button.addEventListener("click", () => copy(button, node.textContent, node));
}
