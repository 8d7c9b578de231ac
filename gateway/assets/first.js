// What to do when nobody has ever asked anything: the line to try.

import { call, CallError } from "./api.js";
import { startCopying, tryLine } from "./try_line.js";
import { byId, setShown, setText } from "./element.js";
import { say } from "./i18n.js";

/** The time between two questions for a model to try, where there is none yet. */
const PAUSE_MS = 5000;

let model;
let askedAt = -Infinity;

async function findModel() {
  askedAt = Date.now();
  try {
    const { data } = await call("GET", "v1/models");
    model = data[0]?.id;
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
  }
}

/** The part that helps to the first request. */
export const first = {
  start() {
    startCopying(byId("copy"), byId("curl"));
  },
  show({ windows, upstreams }) {
    const isFirst = windows.total.requests === 0;
    setShown(byId("first"), isFirst);
    if (!isFirst) return;
    if (model === undefined && Date.now() - askedAt > PAUSE_MS) findModel();
    setText(byId("first-lead"), say(upstreams.length === 0 ? "first.noUpstream" : "first.lead"));
    setText(byId("curl"), tryLine(model ?? "MODEL"));
  },
  forget() {
    setShown(byId("first"), false);
  },
};
