// Questions before what can't be undone.

import { byId, setText } from "./element.js";

/** When the question before is over. A dialog tells that it closed later than it closes: it must not be the next one's answer. */
let isOver = Promise.resolve();

/** Asks, and tells by a promise whether the answer was yes. */
export async function confirmed(title, text, yes) {
  await isOver;
  const dialog = byId("confirm");
  setText(byId("confirm-title"), title);
  setText(byId("confirm-text"), text);
  setText(byId("confirm-yes"), yes);
  dialog.returnValue = "";
  dialog.showModal();
  isOver = new Promise((resolve) => {
    dialog.addEventListener("close", resolve, { once: true });
  });
  await isOver;
  return dialog.returnValue === "yes";
}
