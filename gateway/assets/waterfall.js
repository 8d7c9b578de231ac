// The spans of a trace, each with its time, from the client to the upstream.

import { byId, element, setText } from "./element.js";
import { duration } from "./format.js";
import { find, say } from "./i18n.js";
import { steps } from "./scale.js";
import { attempt } from "./attempt.js";

/** Spans deeper than this stand no further to the right. */
const DEEPEST = 6;

/** The spans in the order of a tree, each with its depth. One whose parent is elsewhere is a root. */
function tree(spans) {
  const ids = new Set(spans.map(({ id }) => id));
  const children = new Map();
  for (const span of spans) {
    const parent = ids.has(span.parent_id) ? span.parent_id : null;
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const ordered = [];
  const walk = (parent, depth) => {
    for (const span of children.get(parent) ?? []) {
      ordered.push({ span, depth });
      walk(span.id, depth + 1);
    }
  };
  walk(null, 0);
  return ordered;
}

/** What a span is to a reader; its own name is among what is told of it. */
function title(span, cookies) {
  const tried = attempt(span, cookies);
  if (tried) return say("span.attempt", { number: tried.number, upstream: tried.upstream });
  const { name, kind } = span;
  if (name === "search") return say("span.search");
  if (name === "llm2api.v1.ChatService/Chat") return say(kind === "server" ? "span.core" : "span.toCore");
  if (span.attributes["http.route"]) return name;
  if (kind === "client" && span.attributes["server.address"]) return `${name} ${span.attributes["server.address"]}`;
  return name;
}

const written = (value) => (Array.isArray(value) ? value.map(String).join(", ") : String(value));

function details(span, origin) {
  const told = [
    [say("span.name"), span.name],
    [say("span.service"), span.service],
    [say("span.kind"), span.kind],
    [say("span.began"), `+${duration(Math.max(0, span.started_at - origin))}`],
    ...(span.status_message ? [[say("span.message"), span.status_message]] : []),
    ...Object.entries(span.attributes).sort(([one], [other]) => one.localeCompare(other)),
  ];
  return element(
    "dl",
    { class: "details" },
    ...told.map(([name, value]) => element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: written(value) }))),
  );
}

/** What a bar says by its colour. */
function tone(span, cookies) {
  const tried = attempt(span, cookies);
  if (tried?.outcome === "failed") return "bad";
  // What failed because of a part of it says so less loudly.
  if (span.status === "error") return "bad weak";
  if (tried) return "accent";
  return span.kind === "server" ? "plain" : "middle";
}

function row({ span, depth }, { origin, whole, cookies, isOpen, toggle }) {
  const bar = element("i", { class: tone(span, cookies) });
  bar.style.left = `${(((span.started_at - origin) / whole) * 100).toFixed(3)}%`;
  bar.style.width = `${((span.duration_seconds / whole) * 100).toFixed(3)}%`;
  const tried = attempt(span, cookies);
  const first = tried?.outcome === "answered" ? span.attributes["gen_ai.response.time_to_first_chunk"] : undefined;
  if (first > 0 && first < span.duration_seconds) {
    const waiting = element("b");
    waiting.style.width = `${((first / span.duration_seconds) * 100).toFixed(3)}%`;
    bar.append(waiting);
  }
  const name = element("span", { class: "span-name" }, element("span", { class: "clip", textContent: title(span, cookies) }));
  name.style.paddingInlineStart = `${Math.min(depth, DEEPEST) * 0.9}rem`;
  if (tried?.outcome === "failed") name.append(element("span", { class: "tag bad", textContent: tried.error }));
  const button = element(
    "button",
    { type: "button", class: "span", "aria-expanded": String(isOpen) },
    name,
    element("span", { class: "span-time", "aria-hidden": "true" }, bar),
    element("span", { class: "number", textContent: duration(span.duration_seconds) }),
  );
  const node = element("li", {}, button);
  if (isOpen) node.append(details(span, origin));
  button.addEventListener("click", () => {
    const wasOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!wasOpen));
    if (wasOpen) node.querySelector(".details").remove();
    else node.append(details(span, origin));
    toggle(span.id);
  });
  return node;
}

/** The spans that are opened. */
const open = new Set();

function moveFocus(event) {
  const buttons = [...byId("waterfall").querySelectorAll("button.span")];
  const at = buttons.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (at < 0 || next === undefined) return;
  event.preventDefault();
  buttons[Math.min(Math.max(next, 0), buttons.length - 1)].focus();
}

/** The waterfall of a trace. */
export const waterfall = {
  start() {
    byId("waterfall").addEventListener("keydown", moveFocus);
  },
  show(spans, cookies) {
    const origin = Math.min(...spans.map(({ started_at }) => started_at));
    const whole = Math.max(0.000001, ...spans.map((span) => span.started_at - origin + span.duration_seconds));
    const toggle = (id) => {
      if (!open.delete(id)) open.add(id);
    };
    byId("waterfall").replaceChildren(
      ...tree(spans).map((placed) => row(placed, { origin, whole, cookies, isOpen: open.has(placed.span.id), toggle })),
    );
    const marks = steps(whole, false).filter((time) => time <= whole * 0.96);
    byId("trace-axis").replaceChildren(
      ...marks.map((time) => {
        const mark = element("span");
        setText(mark, time === 0 ? "0" : duration(time));
        mark.style.left = `${((time / whole) * 100).toFixed(2)}%`;
        return mark;
      }),
    );
  },
  forget() {
    open.clear();
    byId("waterfall").replaceChildren();
    byId("trace-axis").replaceChildren();
  },
};
