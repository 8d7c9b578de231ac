// The tables: by model, upstream, cookie and key.

import { serverTime } from "./api.js";
import { element, setShown, setText } from "./element.js";
import { FigureTable } from "./figure_table.js";
import { amount, clock, duration, severity, share } from "./format.js";
import { find, say } from "./i18n.js";

const REQUESTS = { title: "column.requests", isNumber: true, text: (_, { requests }) => amount(requests) };
const ATTEMPTS = { ...REQUESTS, title: "column.attempts" };
const IN_FLIGHT = { title: "column.inFlight", isNumber: true, text: ({ in_flight }) => (in_flight === 0 ? "–" : amount(in_flight)) };
const ERRORS = {
  title: "column.errors",
  isNumber: true,
  text: (_, { errors, requests }) => (errors === 0 ? "–" : `${amount(errors)} · ${share(errors, requests)}`),
  level: (_, { errors, requests }) => (errors === 0 ? "none" : severity(errors, requests)),
};

/** The half and the slow ones of a time: one strong, one weak. */
function times(title, name) {
  return {
    title,
    hint: "hint.times",
    isNumber: true,
    fill(cell, _, figures) {
      const { half, slow } = parts(cell, () => ({ half: element("span"), slow: element("span", { class: "slow" }) }));
      setText(half, figures[name] ? duration(figures[name].p50) : "–");
      setText(slow, figures[name] ? duration(figures[name].p95) : "");
    },
  };
}

const TOKENS = {
  title: "column.tokens",
  hint: "hint.tokens",
  isNumber: true,
  fill(cell, _, { tokens }) {
    const { output, input } = parts(cell, () => ({ output: element("span"), input: element("span", { class: "slow" }) }));
    setText(output, tokens.output === 0 ? "–" : amount(tokens.output));
    setText(input, tokens.input === 0 ? "" : amount(tokens.input));
  },
};

const made = new WeakMap();

/** The elements of a cell, made once. */
function parts(cell, make) {
  if (!made.has(cell)) {
    const elements = make();
    cell.append(...Object.values(elements));
    made.set(cell, elements);
  }
  return made.get(cell);
}

/** A name that may be long, with something smaller below or beside it. */
function name(title, describe) {
  return {
    title,
    fill(cell, item) {
      const { main, aside } = parts(cell, () => ({ main: element("span", { class: "name" }), aside: element("span", { class: "aside" }) }));
      const { text, below, isMono } = describe(item);
      setText(main, text);
      main.title = text;
      main.classList.toggle("mono", isMono === true);
      setText(aside, below ?? "");
      setShown(aside, Boolean(below));
    },
  };
}

/** How an upstream stands. Why is a sentence, which stands above; here it is for who asks. */
const UPSTREAM_STATE = {
  title: "column.state",
  fill(cell, { state, reason }) {
    const { badge } = parts(cell, () => ({ badge: element("span", { class: "badge" }) }));
    badge.dataset.state = state;
    badge.title = reason ?? "";
    setText(badge, find(`state.${state}`) ?? state);
  },
};

/** How a cookie stands: its state, why, and until when. */
const STATE = {
  title: "column.state",
  fill(cell, { state, reason, last_error, cooldown_until }) {
    const { badge, why } = parts(cell, () => ({ badge: element("span", { class: "badge" }), why: element("span", { class: "aside" }) }));
    badge.dataset.state = state;
    setText(badge, find(`state.${state}`) ?? state);
    const left = Math.ceil((cooldown_until ?? 0) - serverTime());
    const cause = reason && (find(`reason.${reason}`) ?? reason);
    setText(why, [cause, left > 0 ? say("again", { time: clock(left) }) : undefined].filter(Boolean).join(" · "));
    why.title = [cause, state === "valid" ? undefined : last_error].filter(Boolean).join(": ");
    setShown(why, why.textContent !== "");
  },
};

const modelName = ({ id }) => (id === "_other" ? { text: say("models._other") } : { text: id });
const cookieName = ({ preview, label, upstream, id }) => ({
  text: preview ?? say("kind.anonymous"),
  isMono: preview !== null,
  below: [label, upstream, id].filter(Boolean).join(" · "),
});
const keyName = ({ id, label }) => ({ text: label ?? find(`keys.${id}`) ?? id, below: label === null && !find(`keys.${id}`) ? undefined : id });

let all;

/** The tables. */
export const tables = {
  start() {
    const first = times("column.firstToken", "first_token_seconds");
    const whole = times("column.latency", "latency_seconds");
    const byId = ({ id }) => id;
    all = {
      models: new FigureTable("models", {
        columns: [name("column.model", modelName), REQUESTS, ERRORS, first, whole, TOKENS],
        idOf: byId,
        empty: "models.empty",
      }),
      upstreams: new FigureTable("upstreams", {
        columns: [name("column.upstream", ({ name, kind }) => ({ text: name, below: kind })), UPSTREAM_STATE, IN_FLIGHT, ATTEMPTS, ERRORS, first, TOKENS],
        idOf: ({ name }) => name,
        empty: "upstreams.empty",
      }),
      cookies: new FigureTable("cookies", {
        columns: [name("column.cookie", cookieName), STATE, IN_FLIGHT, ATTEMPTS, ERRORS],
        idOf: byId,
        empty: "cookies.empty",
      }),
      keys: new FigureTable("keys", {
        columns: [name("column.key", keyName), REQUESTS, ERRORS, TOKENS],
        idOf: byId,
        empty: "keys.empty",
      }),
    };
  },
  show(status, window) {
    for (const [list, table] of Object.entries(all)) table.show(status[list], window);
  },
  forget() {
    for (const table of Object.values(all)) table.forget();
  },
};
