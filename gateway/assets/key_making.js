// Making a key, and showing its value this once.

import { call } from "./api.js";
import { busy, byId, setShown, setText } from "./element.js";
import { say } from "./i18n.js";
import { KeyFields } from "./key_fields.js";
import { startCopying } from "./try_line.js";

let fields;
let refresh;
let shown;

/** Shows a value that is told once; `undefined` takes it off the page. */
export function showSecret(made) {
  shown = made;
  setText(byId("made-value"), made?.key ?? "");
  setText(byId("made-title"), made ? say("made.title", { name: made.label ?? made.preview }) : "");
  setShown(byId("made"), made !== undefined);
  if (made) byId("made-title").focus();
}

async function make() {
  setText(byId("make-outcome"), "");
  fields.showFault();
  const body = fields.read();
  if (body.expires_at === 0) delete body.expires_at;
  try {
    const made = await call("POST", "keys", body);
    fields.clear();
    showSecret(made);
    refresh();
  } catch (error) {
    if (error.isKeys) return;
    if (!error.param || !fields.showFault(error.param, error.text)) setText(byId("make-outcome"), error.text);
  }
}

/** Begins; `callback` is called where there is another key. */
export function startMaking(callback) {
  refresh = callback;
  fields = new KeyFields(byId("make-fields"), "make");
  byId("make-form").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(byId("make-submit"), make);
  });
  startCopying(byId("made-copy"), byId("made-value"));
  byId("made-hide").addEventListener("click", () => {
    showSecret(undefined);
    byId("keys-title").focus();
  });
}

/** In another language. */
export const redrawSecret = () => shown && setText(byId("made-title"), say("made.title", { name: shown.label ?? shown.preview }));
