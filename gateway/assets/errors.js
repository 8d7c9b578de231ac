// The errors by their kind, the most frequent first.

import { byId, element, setShown, setText } from "./element.js";
import { amount, share } from "./format.js";
import { find, number, say } from "./i18n.js";
import { Rows } from "./rows.js";

const KINDS_SHOWN = 6;

function make() {
  const row = {};
  row.code = element("code", { class: "mono" });
  row.count = element("b");
  row.share = element("span", { class: "muted" });
  row.line = element("i", { class: "share bad", "aria-hidden": "true" });
  row.means = element("p", { class: "muted small" });
  row.node = element("li", {}, element("div", { class: "kind" }, row.code, element("span", {}, row.count, row.share)), row.line, row.means);
  return row;
}

function fill(row, { code, count, most, all }) {
  setText(row.code, code);
  setText(row.count, amount(count));
  row.count.title = number(count);
  setText(row.share, share(count, all));
  row.line.style.transform = `scaleX(${(count / most).toFixed(4)})`;
  setText(row.means, find(`means.${code}`) ?? "");
  setShown(row.means, row.means.textContent !== "");
}

const rows = new Rows(() => byId("errors"), make, fill);

function empty(text) {
  rows.show([]);
  setText(byId("errors-count"), "");
  setText(byId("errors-empty"), text);
  setShown(byId("errors-empty"), true);
}

/** The errors by kind. */
export const errors = {
  show({ windows }, window) {
    const { errors: all, errors_by_code: codes, requests } = windows[window];
    const kinds = Object.entries(codes).sort(([oneCode, one], [otherCode, other]) => other - one || oneCode.localeCompare(otherCode));
    if (kinds.length === 0) {
      empty(say(requests === 0 ? "errors.nothing" : "errors.none"));
      return;
    }
    const most = kinds[0][1];
    rows.show(kinds.slice(0, KINDS_SHOWN).map(([code, count]) => ({ code, count, most, all })), ({ code }) => code);
    setText(byId("errors-count"), amount(all));
    setShown(byId("errors-empty"), kinds.length > KINDS_SHOWN);
    setText(byId("errors-empty"), say("errors.more", { count: number(kinds.length - KINDS_SHOWN) }));
  },
  forget() {
    empty(say("key.needed"));
  },
};
