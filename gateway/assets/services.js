// The services: what they are, how they are, and what may be done to them.

import { ASKING_MS, call } from "./api.js";
import { confirmed } from "./confirm.js";
import { busy, byId, element, setShown, setText } from "./element.js";
import { number, say, sayCount } from "./i18n.js";
import { Rows } from "./rows.js";

let refresh;
let shown;
/** What the last test of each said, by its name. */
const tests = new Map();

function make(id) {
  const row = { id };
  row.badge = element("span", { class: "badge" });
  row.name = element("strong");
  row.kind = element("span", { class: "tag" });
  row.url = element("div", { class: "muted mono clip" });
  row.facts = element("div", { class: "muted small" });
  row.news = element("div", { class: "small news", role: "status" });
  row.test = element("button", { type: "button", class: "quiet" });
  row.remove = element("button", { type: "button", class: "quiet bad" });
  row.fixed = element("span", { class: "muted small" });
  row.node = element(
    "li",
    { class: "row" },
    element("div", { class: "row-state" }, row.badge),
    element("div", { class: "row-main" }, element("div", { class: "row-title" }, row.name, row.kind), row.url, row.facts, row.news),
    element("div", { class: "row-actions" }, row.fixed, row.test, row.remove),
  );
  row.test.addEventListener("click", () => busy(row.test, () => test(row)));
  row.remove.addEventListener("click", () => remove(row));
  return row;
}

function fill(row, upstream) {
  row.upstream = upstream;
  row.badge.dataset.state = upstream.state;
  setText(row.badge, say(`state.${upstream.state}`));
  setText(row.name, upstream.name);
  setText(row.kind, upstream.kind);
  setText(row.url, upstream.url);
  const cookies = Object.entries(upstream.cookies)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${number(count)} ${say(`state.${state}`).toLowerCase()}`);
  setText(row.facts, [sayCount("services.models", upstream.models.length), ...cookies].join(" · "));
  const told = tests.get(upstream.name);
  const news = told?.() ?? upstream.reason ?? "";
  setText(row.news, news);
  row.news.classList.toggle("bad", !told && upstream.state === "degraded");
  setText(row.test, say("services.test"));
  row.test.setAttribute("aria-label", `${say("services.test")} ${upstream.name}`);
  setText(row.remove, say("remove"));
  row.remove.setAttribute("aria-label", `${say("remove")} ${upstream.name}`);
  setShown(row.remove, upstream.source === "user");
  setText(row.fixed, say("services.config"));
  setShown(row.fixed, upstream.source === "config");
}

async function test(row) {
  const { name } = row.upstream;
  setText(row.news, say("services.testing"));
  try {
    const result = await call("POST", `upstreams/${encodeURIComponent(name)}/test`, undefined, ASKING_MS);
    const seconds = number(Math.round(result.duration_seconds * 100) / 100);
    tests.set(name, () => (result.ok ? say("services.tested", { seconds }) : result.error));
  } catch (error) {
    tests.set(name, () => error.text);
  }
  fill(row, row.upstream);
  refresh();
}

async function remove(row) {
  const { name } = row.upstream;
  if (!(await confirmed(say("services.removeTitle", { name }), say("services.removeText"), say("remove")))) return;
  await busy(row.remove, async () => {
    try {
      await call("DELETE", `upstreams/${encodeURIComponent(name)}`);
      tests.delete(name);
      byId("services-title").focus();
    } catch (error) {
      tests.set(name, () => error.text);
    }
  });
  refresh();
}

const rows = new Rows(() => byId("services"), make, fill);

/** The list of services. */
export const services = {
  start(callback) {
    refresh = callback;
    byId("services-title").tabIndex = -1;
  },
  show(upstreams) {
    shown = upstreams;
    rows.show(upstreams, (upstream) => upstream.name);
    setText(byId("services-count"), upstreams.length > 0 ? number(upstreams.length) : "");
    setText(byId("services-empty"), say("services.empty"));
    setShown(byId("services-empty"), upstreams.length === 0);
  },
  redraw() {
    if (shown) this.show(shown);
    else this.forget();
  },
  forget() {
    shown = undefined;
    tests.clear();
    rows.show([]);
    setText(byId("services-count"), "");
    setText(byId("services-empty"), say("key.needed"));
    setShown(byId("services-empty"), true);
  },
};
