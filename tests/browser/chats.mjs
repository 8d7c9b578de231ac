// Chats beside the page, as clients send them.

import assert from "node:assert/strict";
import { setup } from "./stage.mjs";

async function send(model, stream, signal) {
  return fetch(new URL("v1/chat/completions", setup.page), {
    method: "POST",
    headers: { Authorization: `Bearer ${setup.key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ model, stream, messages: [{ role: "user", content: "Say hello." }] }),
    signal,
  });
}

/** Asks, and reads the whole answer, which must have this status. */
export async function chat(model, status = 200, stream = false) {
  const response = await send(model, stream);
  await response.text();
  assert.equal(response.status, status, model);
}

/** Asks, and leaves after the first piece of the answer. */
export async function leave(model) {
  const leaving = new AbortController();
  const response = await send(model, true, leaving.signal);
  await response.body.getReader().read();
  leaving.abort();
}
