// The list of recent traces: narrowed by its filters, and shown anew while nobody reads in it.

import { call, CallError, serverTime } from "./api.js";
import { byId, element, setOptions, setShown, setText } from "./element.js";
import { amount, dayAndTime, duration, exactTime } from "./format.js";
import { find, say } from "./i18n.js";
import { key } from "./key.js";
import { Rows } from "./rows.js";

const PAGE_SIZE = 25;
const INTERVAL_MS = 3000;
/** A request is counted at its end, and its trace is kept a little later. */
const KEPT_AFTER_MS = 2000;
const STATUSES = ["", "ok", "error", "rejected", "cancelled"];
const SLOW = [0, 1, 5, 30, 120];
const DAY = 86_400;

let shown;
let status = "";
/** Counts what was asked, so that an answer that comes late isn't taken for the last. */
let asked = 0;
let askedAt = 0;
/** How many requests there have been, and when that changed. */
let count;
let changedAt = 0;
let isAway = false;

function make(id) {
  const row = {};
  row.when = element("span", { class: "when" });
  row.outcome = element("span", { class: "badge" });
  row.model = element("span", { class: "clip" });
  row.upstream = element("span", { class: "clip muted" });
  row.tokens = element("span", { class: "number muted" });
  row.first = element("span", { class: "number muted" });
  row.took = element("span", { class: "number" });
  row.waiting = element("i", { class: "waiting" });
  row.answering = element("i", { class: "answering" });
  const bar = element("span", { class: "bar-of", "aria-hidden": "true" }, row.waiting, row.answering);
  const link = element("a", { class: "trace", href: `#trace=${encodeURIComponent(id)}` }, row.when, row.outcome, row.model, row.upstream, row.tokens, row.first, row.took, bar);
  row.node = element("li", {}, link);
  return row;
}

/** How a trace ended, in a word or by its error's code. */
export const outcome = ({ status, error_code }) => error_code ?? say(`trace.${status}`);

/** A time that stands for itself today, with its day before. */
const when = (time) => (serverTime() - time < DAY ? exactTime(time) : dayAndTime(time));

function fill(row, { trace, longest }) {
  setText(row.when, when(trace.started_at));
  row.outcome.dataset.state = trace.status;
  setText(row.outcome, outcome(trace));
  setText(row.model, trace.model ?? "–");
  row.model.title = trace.model ?? "";
  const tries = trace.attempts > 1 ? say("trace.attempts", { count: trace.attempts }) : "";
  setText(row.upstream, [trace.upstream, tries].filter(Boolean).join(" · "));
  setText(row.tokens, trace.output_tokens === null ? "" : amount(trace.output_tokens));
  setText(row.first, trace.first_token_seconds === null ? "" : duration(trace.first_token_seconds));
  setText(row.took, duration(trace.duration_seconds));
  const part = (seconds) => `${((seconds / longest) * 100).toFixed(2)}%`;
  const wait = trace.first_token_seconds ?? trace.duration_seconds;
  row.waiting.dataset.state = trace.status;
  row.waiting.style.width = part(wait);
  row.answering.dataset.state = trace.status;
  row.answering.style.width = part(Math.max(0, trace.duration_seconds - wait));
}

const rows = new Rows(() => byId("traces-list"), make, fill);

function address(after) {
  const query = new URLSearchParams({ limit: PAGE_SIZE });
  if (after) query.set("after", after);
  if (status !== "") query.set("status", status);
  if (byId("traces-model").value !== "") query.set("model", byId("traces-model").value);
  if (Number(byId("traces-slow").value) > 0) query.set("min_seconds", byId("traces-slow").value);
  return `traces?${query}`;
}

/** Asks for the list from its beginning, or for what follows what is shown. */
async function ask(isMore = false) {
  const mine = ++asked;
  askedAt = Date.now();
  if (!isMore) setShown(byId("traces-news"), false);
  try {
    const page = await call("GET", address(isMore ? shown.last_id : ""));
    if (mine !== asked || key() === "") return;
    shown = isMore ? { ...page, data: [...shown.data, ...page.data] } : page;
    isAway = false;
    draw();
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    isAway = true;
  }
}

function draw() {
  for (const chip of byId("traces-status").children) {
    setText(chip, chip.dataset.status === "" ? say("all") : say(`trace.${chip.dataset.status}`));
    chip.setAttribute("aria-pressed", String(chip.dataset.status === status));
  }
  setOptions(byId("traces-slow"), SLOW.map((seconds) => [String(seconds), seconds === 0 ? say("all") : `≥ ${duration(seconds)}`]));
  const data = shown?.data ?? [];
  const longest = Math.max(0.001, ...data.map((trace) => trace.duration_seconds));
  rows.show(data.map((trace) => ({ trace, longest })), ({ trace }) => trace.id);
  setShown(byId("traces-more"), shown?.has_more === true);
  setShown(byId("traces-empty"), data.length === 0);
  const isNarrow = address() !== `traces?limit=${PAGE_SIZE}`;
  setText(byId("traces-empty"), say(key() === "" ? "key.needed" : isNarrow ? "traces.noMatch" : "traces.empty"));
}

/** Whether somebody reads in the list, or has turned its page: then nothing moves under their eyes. */
const isRead = () => shown?.data.length > PAGE_SIZE || byId("traces-list").matches(":hover, :has(:focus-visible)") || byId("trace").open;

/** The list of traces. */
export const traces = {
  start() {
    byId("traces-status").append(
      ...STATUSES.map((name) => {
        const chip = element("button", { type: "button", class: "chip", "data-status": name });
        chip.addEventListener("click", () => {
          status = name;
          draw();
          ask();
        });
        return chip;
      }),
    );
    for (const select of ["traces-model", "traces-slow"]) byId(select).addEventListener("change", () => ask());
    byId("traces-more").addEventListener("click", () => ask(true));
    byId("traces-news").addEventListener("click", () => {
      byId("traces-title").focus();
      ask();
    });
    draw();
  },
  /** Comes with every status: asks for the list where something has happened since. */
  follow({ models, windows: { total } }) {
    setOptions(byId("traces-model"), [["", say("all")], ...models.map(({ id }) => [id, find(`models.${id}`) ?? id])]);
    if (count !== total.requests) changedAt = Date.now();
    count = total.requests;
    const hasNews = askedAt < changedAt + KEPT_AFTER_MS || isAway;
    if (!hasNews || Date.now() - askedAt < INTERVAL_MS) return;
    if (shown !== undefined && isRead()) setShown(byId("traces-news"), true);
    else ask();
  },
  redraw: draw,
  forget() {
    asked += 1;
    askedAt = 0;
    shown = undefined;
    count = undefined;
    changedAt = 0;
    setShown(byId("traces-news"), false);
    setOptions(byId("traces-model"), [["", say("all")]]);
    draw();
  },
};
