// The course of things: the charts.

import { Chart } from "./chart.js";
import { serverTime } from "./api.js";
import { byId, element } from "./element.js";
import { amount, duration, rate } from "./format.js";

const figure = (name) => (point) => point.figures[name];
const percentile = (times, name) => (point) => point.figures[times]?.[name] ?? null;

/** How many a second, in the part of a point that is over. */
const perSecond = (name) => (point) => {
  const passed = Math.min(point.seconds, Math.max(1, serverTime() - point.from));
  return point.figures.tokens[name] / passed;
};

const percentiles = (times) => [
  { name: "series.p50", tone: "accent", of: percentile(times, "p50") },
  { name: "series.p95", tone: "middle", of: percentile(times, "p95") },
  { name: "series.p99", tone: "far", of: percentile(times, "p99") },
];

const CHARTS = [
  {
    name: "requests",
    // What failed stands at the bottom, where its height can be compared.
    series: [
      { name: "series.errors", tone: "bad", of: figure("errors") },
      { name: "series.rejected", tone: "warn", of: figure("rejected") },
      { name: "series.cancelled", tone: "plain", of: figure("cancelled") },
      {
        name: "series.answered",
        tone: "accent",
        of: ({ figures }) => Math.max(0, figures.requests - figures.errors - figures.rejected - figures.cancelled),
      },
    ],
    options: { title: "course.requests", isStacked: true, isWhole: true, least: 4, format: amount },
  },
  { name: "first-token", series: percentiles("first_token_seconds"), options: { title: "course.firstToken", least: 0.1, format: duration } },
  { name: "latency", series: percentiles("latency_seconds"), options: { title: "course.latency", least: 0.1, format: duration } },
  {
    name: "tokens",
    series: [
      { name: "series.output", tone: "accent", of: perSecond("output") },
      { name: "series.input", tone: "plain", of: perSecond("input") },
    ],
    options: { title: "course.tokens", isStacked: true, least: 10, format: rate },
  },
];

let charts;

/** The charts. */
export const courses = {
  start() {
    charts = CHARTS.map(({ name, series, options }) => {
      const entries = [...series].reverse().map(({ name, tone }) =>
        element("li", {}, element("i", { class: `swatch ${tone}` }), element("span", { "data-text": name })),
      );
      byId(`${name}-legend`).append(...(options.isStacked ? entries : entries.reverse()));
      return new Chart(byId(`${name}-chart`), series, options);
    });
  },
  show({ timeline }) {
    const points = timeline.map(({ begins_at, seconds, figures }) => ({ from: begins_at, seconds, figures }));
    for (const chart of charts) chart.show(points);
  },
  redraw() {
    for (const chart of charts) chart.draw();
  },
  forget() {
    for (const chart of charts) chart.show([]);
  },
};
