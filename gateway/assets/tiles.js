// The figures that one looks at first.

import { byId, element, setText } from "./element.js";
import { amount, duration, rate, severity, share } from "./format.js";
import { number, say } from "./i18n.js";

const time = (value) => (value === null || value === undefined ? "–" : duration(value));

/** The tiles: each tells its value and what stands below it, of a status and the figures of the chosen window. */
const TILES = [
  {
    name: "requests",
    value: (_, figures) => amount(figures.requests),
    exact: (_, figures) => number(figures.requests),
    below: ({ windows }) => say("tiles.requestsBelow", { now: amount(windows.minute.requests), total: amount(windows.total.requests) }),
  },
  {
    name: "inFlight",
    value: ({ in_flight }) => amount(in_flight),
    exact: ({ in_flight }) => number(in_flight),
    below: () => say("tiles.inFlightBelow"),
  },
  {
    name: "errors",
    value: (_, { errors, requests }) => (requests === 0 ? "–" : share(errors, requests)),
    exact: (_, { errors }) => number(errors),
    level: (_, { errors, requests }) => severity(errors, requests),
    below: (_, { errors, rejected, cancelled }) =>
      say("tiles.errorsBelow", { errors: amount(errors), rejected: amount(rejected), cancelled: amount(cancelled) }),
  },
  {
    name: "firstToken",
    value: (_, { first_token_seconds }) => time(first_token_seconds?.p50),
    below: (_, { first_token_seconds }) => percentiles(first_token_seconds),
  },
  {
    name: "latency",
    value: (_, { latency_seconds }) => time(latency_seconds?.p50),
    below: (_, { latency_seconds }) => percentiles(latency_seconds),
  },
  {
    name: "tokens",
    value: ({ windows }) => rate(windows.minute.tokens.output / 60),
    below: (_, { tokens }) =>
      say(tokens.estimated > 0 ? "tiles.tokensEstimated" : "tiles.tokensBelow", {
        input: amount(tokens.input),
        output: amount(tokens.output),
        estimated: amount(tokens.estimated),
      }),
  },
];

const percentiles = (times) => say("tiles.percentiles", { p95: time(times?.p95), p99: time(times?.p99) });

let nodes;

/** The tiles. */
export const tiles = {
  start() {
    nodes = TILES.map(({ name }) => {
      const value = element("p", { class: "tile-value", id: `tile-${name}` });
      const below = element("p", { class: "tile-below" });
      const label = element("h2", { "data-text": `tiles.${name}` });
      byId("tiles").append(element("div", { class: "tile" }, label, value, below));
      return { value, below };
    });
  },
  show(status, window) {
    const figures = status.windows[window];
    TILES.forEach((tile, index) => {
      const { value, below } = nodes[index];
      setText(value, tile.value(status, figures));
      setText(below, tile.below(status, figures));
      // What is abbreviated can still be read.
      if (tile.exact) value.title = tile.exact(status, figures);
      value.dataset.level = tile.level?.(status, figures) ?? "";
    });
  },
  forget() {
    for (const { value, below } of nodes) {
      setText(value, "–");
      setText(below, "");
      value.title = "";
      value.dataset.level = "";
    }
  },
};
