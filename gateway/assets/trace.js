// One trace, opened over the page by the address `#trace=ID`: what was tried, and where the time went.

import { call, CallError, serverTime } from "./api.js";
import { attempt, why } from "./attempt.js";
import { byId, element, setShown, setText } from "./element.js";
import { amount, dayAndTime, duration } from "./format.js";
import { find, say } from "./i18n.js";
import { key } from "./key.js";
import { outcome } from "./traces.js";
import { waterfall } from "./waterfall.js";

/** A gateway in a process of its own sends its spans a little later. */
const COMPLETE_AFTER_SECONDS = 10;
const ASK_AGAIN_MS = 3000;

let shown;
let cookies = [];
let timer;

const wanted = () => new URLSearchParams(location.hash.slice(1)).get("trace");

function tell(text) {
  setText(byId("trace-empty"), text);
  setShown(byId("trace-empty"), text !== "");
}

function line(tried, span) {
  const head = element(
    "div",
    { class: "story-head" },
    element("strong", { textContent: tried.upstream }),
    element("span", { class: "mono clip", textContent: tried.cookie ?? "" }),
    element("span", { class: "muted", textContent: duration(span.duration_seconds) }),
  );
  const node = element("li", { "data-outcome": tried.outcome ?? "" }, head);
  const add = (text, classes) => node.append(element("p", { class: classes, textContent: text }));
  if (tried.passedOver) add(say("attempt.passedOver", { whom: tried.passedOver }), "muted small");
  if (tried.outcome === "failed") add(say("attempt.failed", { why: why(tried) }), "bad");
  else if (tried.outcome === "left") add(say("attempt.left"), "muted");
  else {
    const parts = [say("attempt.answered")];
    if (tried.first !== undefined) parts.push(say("attempt.first", { time: duration(tried.first) }));
    if (tried.tokens !== undefined) parts.push(say("attempt.tokens", { count: amount(tried.tokens) }));
    add(parts.join(" · "), "good");
  }
  return node;
}

function story(trace) {
  const lines = trace.spans.flatMap((span) => {
    const tried = attempt(span, cookies);
    return tried ? [line(tried, span)] : [];
  });
  if (trace.status === "rejected" || (trace.status === "error" && trace.error_code)) {
    const means = find(`means.${trace.error_code}`);
    const text = say(trace.status === "rejected" ? "trace.rejectedWith" : "trace.failedWith", { code: trace.error_code });
    const end = element("li", { class: "story-end", "data-outcome": "failed" }, element("strong", { textContent: text }));
    if (means) end.append(element("p", { class: "muted", textContent: means }));
    lines.push(end);
  }
  return lines;
}

function draw() {
  if (!shown) return;
  setText(byId("trace-title"), shown.model ?? say("trace.title"));
  const facts = [outcome(shown), duration(shown.duration_seconds), dayAndTime(shown.started_at), shown.id];
  setText(byId("trace-facts"), facts.join(" · "));
  byId("trace-story").replaceChildren(...story(shown));
  waterfall.show(shown.spans, cookies);
  setShown(byId("trace-body"), true);
}

async function load(id) {
  clearTimeout(timer);
  try {
    const trace = await call("GET", `traces/${encodeURIComponent(id)}`);
    if (wanted() !== id) return;
    const isSame = shown?.id === id && shown.spans.length === trace.spans.length;
    shown = trace;
    tell("");
    if (!isSame) draw();
    const age = serverTime() - trace.started_at - trace.duration_seconds;
    if (age < COMPLETE_AFTER_SECONDS) timer = setTimeout(() => load(id), ASK_AGAIN_MS);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    if (wanted() === id && shown?.id !== id) tell(error.text);
  }
}

/** Opens or closes what the address says. */
function follow() {
  const id = wanted();
  const drawer = byId("trace");
  if (id === null || key() === "") {
    if (drawer.open) drawer.close();
    return;
  }
  if (shown?.id !== id) {
    shown = undefined;
    waterfall.forget();
    setShown(byId("trace-body"), false);
    setText(byId("trace-title"), say("trace.title"));
    setText(byId("trace-facts"), id);
    tell(say("trace.loading"));
  }
  if (!drawer.open) {
    drawer.showModal();
    byId("trace-title").focus();
  }
  load(id);
}

function close() {
  clearTimeout(timer);
  shown = undefined;
  if (wanted() === null) return;
  const link = [...byId("traces-list").querySelectorAll("a")].find(({ hash }) => hash === location.hash);
  history.replaceState(null, "", location.pathname + location.search);
  (link ?? byId("traces-title")).focus();
}

/** The trace that is opened. */
export const trace = {
  start() {
    waterfall.start();
    addEventListener("hashchange", follow);
    byId("trace").addEventListener("close", close);
    byId("trace-close").addEventListener("click", () => byId("trace").close());
    // A click beside it closes it.
    byId("trace").addEventListener("click", (event) => {
      if (event.target === byId("trace")) byId("trace").close();
    });
  },
  /** Takes the cookies' names. */
  name(status) {
    cookies = status.cookies;
  },
  follow,
  redraw: draw,
};
