// The pool: every cookie and key with its state, and what may be done to it.

import { ASKING_MS, call, serverTime } from "./api.js";
import { confirmed } from "./confirm.js";
import { busy, byId, element, setFault, setOptions, setShown, setText } from "./element.js";
import { ago, clock } from "./format.js";
import { find, number, say, sayCount } from "./i18n.js";
import { Rows } from "./rows.js";

const PAGE_SIZE = 100;
const STATES = ["valid", "unchecked", "cooling", "invalid", "disabled"];

let refresh;
let shown;
let upstreams = [];
let chosenState = "";
/** The ids after which the pages begin that were gone through; the last is the page that is shown. */
let starts = [""];
/** Whether another page was asked for, which is then to be seen from its beginning. */
let isTurning = false;
/** What was last done to each and failed, by its id. */
const faults = new Map();

const nameOf = (cookie) => cookie.label ?? cookie.preview ?? cookie.id;

/** A button that does something to a row's cookie; `isAsking` where it first asks the person. */
function action(row, verb, classes, act, isAsking = false) {
  const button = element("button", { type: "button", class: classes });
  button.addEventListener("click", () => (isAsking ? act(row) : busy(button, () => act(row))));
  button.verb = verb;
  return button;
}

function make(id) {
  const row = { id };
  row.badge = element("span", { class: "badge" });
  row.reason = element("div", { class: "muted small" });
  row.again = element("div", { class: "muted small" });
  row.name = element("span", { class: "mono clip" });
  row.label = element("span", { class: "tag" });
  row.place = element("div", { class: "muted small" });
  row.error = element("div", { class: "small bad news" });
  row.numbers = element("div");
  row.used = element("div", { class: "muted small" });
  row.check = action(row, "check", "quiet", check);
  row.clear = action(row, "clear", "quiet inline", clear);
  row.toggle = action(row, "disable", "quiet", toggle);
  row.edit = action(row, "edit", "quiet", edit, true);
  row.remove = action(row, "remove", "quiet bad", remove, true);
  row.node = element(
    "li",
    { class: "row" },
    element("div", { class: "row-state" }, row.badge, row.reason, row.again, row.clear),
    element("div", { class: "row-main" }, element("div", { class: "row-title" }, row.name, row.label), row.place, row.error),
    element("div", { class: "row-numbers" }, row.numbers, row.used),
    element("div", { class: "row-actions" }, row.check, row.toggle, row.edit, row.remove),
  );
  return row;
}

function fill(row, cookie) {
  row.cookie = cookie;
  row.badge.dataset.state = cookie.state;
  setText(row.badge, say(`state.${cookie.state}`));
  setText(row.name, cookie.preview ?? say(`kind.${cookie.kind}`));
  setText(row.label, cookie.label ?? "");
  setShown(row.label, cookie.label !== null);
  const source = cookie.source === "config" ? [say("source.config")] : [];
  setText(row.place, [cookie.upstream, say(`kind.${cookie.kind}`), ...source].join(" · "));
  const fault = faults.get(cookie.id)?.() ?? cookie.last_error ?? "";
  setText(row.error, fault);
  const counts = [sayCount("pool.requests", cookie.requests)];
  if (cookie.failures > 0) counts.push(say("pool.failures", { count: number(cookie.failures) }));
  setText(row.numbers, counts.join(" · "));
  const isDisabled = cookie.state === "disabled";
  row.toggle.verb = isDisabled ? "enable" : "disable";
  for (const button of [row.check, row.clear, row.toggle, row.edit, row.remove]) {
    setText(button, button === row.remove ? say("remove") : say(`pool.${button.verb}`));
    button.setAttribute("aria-label", say(`pool.${button.verb}Of`, { name: nameOf(cookie) }));
  }
  const isAnonymous = cookie.kind === "anonymous";
  setShown(row.check, !isDisabled);
  setShown(row.clear, cookie.state === "cooling");
  setShown(row.edit, !isAnonymous);
  setShown(row.remove, !isAnonymous && cookie.source === "user");
  tick(row);
}

/** What changes with the time alone. */
function tick(row) {
  const { cookie } = row;
  const known = cookie.reason && (find(`reason.${cookie.reason}`) ?? cookie.reason);
  const left = cookie.cooldown_until === null ? 0 : Math.ceil(cookie.cooldown_until - serverTime());
  setText(row.reason, known ?? "");
  setText(row.again, left > 0 ? say("again", { time: clock(left) }) : "");
  const used = cookie.last_used_at === null ? say("pool.unused") : say("pool.used", { time: ago(cookie.last_used_at) });
  setText(row.used, cookie.in_flight > 0 ? say("pool.inFlight", { count: number(cookie.in_flight) }) : used);
}

/** Does something to a cookie, shows what it is afterwards and tells it. */
async function change(row, work) {
  const { cookie } = row;
  try {
    const changed = await work(`cookies/${encodeURIComponent(cookie.id)}`);
    faults.delete(cookie.id);
    fill(row, changed);
    const reason = find(`reason.${changed.reason}`);
    const state = [say(`state.${changed.state}`), reason].filter(Boolean).join(", ");
    tell(say("pool.isNow", { name: nameOf(changed), state }));
  } catch (error) {
    if (error.isKeys) return;
    faults.set(cookie.id, () => error.text);
    fill(row, cookie);
    tell(error.text);
  }
  refresh();
}

const tell = (text) => setText(byId("pool-news"), text);
const check = (row) => change(row, (address) => call("POST", `${address}/check`, undefined, ASKING_MS));
const clear = (row) => change(row, (address) => call("POST", `${address}/clear`));
const toggle = (row) => change(row, (address) => call("PATCH", address, { disabled: row.cookie.state !== "disabled" }));

async function remove(row) {
  const name = nameOf(row.cookie);
  if (!(await confirmed(say("pool.removeTitle", { name }), say("pool.removeText"), say("remove")))) return;
  await busy(row.remove, async () => {
    try {
      await call("DELETE", `cookies/${encodeURIComponent(row.id)}`);
      tell(say("pool.removed", { name }));
      const next = row.node.nextElementSibling ?? row.node.previousElementSibling;
      row.node.remove();
      (next?.querySelector(".row-actions button:not([hidden])") ?? byId("pool-title")).focus();
    } catch (error) {
      faults.set(row.id, () => error.text);
      fill(row, row.cookie);
    }
  });
  refresh();
}

let edited;

function edit(row) {
  edited = row;
  setText(byId("edit-of"), row.cookie.preview ?? row.id);
  byId("edit-label").value = row.cookie.label ?? "";
  setFault("edit-label", "");
  byId("edit").showModal();
  byId("edit-label").select();
}

async function saveLabel(event) {
  event.preventDefault();
  await busy(byId("edit-save"), async () => {
    try {
      const label = byId("edit-label").value.trim();
      fill(edited, await call("PATCH", `cookies/${encodeURIComponent(edited.id)}`, { label }));
      byId("edit").close();
      refresh();
    } catch (error) {
      setFault("edit-label", error.text);
    }
  });
}

function counts() {
  const of = upstreams.filter((upstream) => byId("pool-upstream").value === "" || upstream.name === byId("pool-upstream").value);
  const sums = Object.fromEntries(STATES.map((state) => [state, of.reduce((sum, { cookies }) => sum + cookies[state], 0)]));
  return { ...sums, "": STATES.reduce((sum, state) => sum + sums[state], 0) };
}

function showStates() {
  const sums = counts();
  for (const chip of byId("pool-states").children) {
    const { state } = chip.dataset;
    const text = state === "" ? say("all") : say(`state.${state}`);
    setText(chip, `${text} ${number(sums[state])}`);
    chip.setAttribute("aria-pressed", String(state === chosenState));
    setShown(chip, state === "" || state === chosenState || sums[state] > 0);
  }
  return sums;
}

function showPages(sums) {
  const from = (starts.length - 1) * PAGE_SIZE + 1;
  const to = from + shown.data.length - 1;
  setShown(byId("pool-pages"), starts.length > 1 || shown.has_more);
  byId("pool-back").disabled = starts.length === 1;
  byId("pool-next").disabled = !shown.has_more;
  const count = Math.max(sums[chosenState], to);
  setText(byId("pool-range"), say("pool.range", { from: number(from), to: number(to), count: number(count) }));
}

/** Begins at the first page of what is now asked for. */
function choose() {
  starts = [""];
  showStates();
  refresh();
}

const rows = new Rows(() => byId("pool"), make, fill);

/** The list of cookies and keys. */
export const pool = {
  start(callback) {
    refresh = callback;
    byId("pool-states").append(
      ...["", ...STATES].map((state) => {
        const chip = element("button", { type: "button", class: "chip", "data-state": state, "aria-pressed": "false" });
        chip.addEventListener("click", () => {
          chosenState = state;
          choose();
        });
        return chip;
      }),
    );
    byId("pool-upstream").addEventListener("change", choose);
    byId("pool-back").addEventListener("click", () => {
      starts.pop();
      isTurning = true;
      refresh();
    });
    byId("pool-next").addEventListener("click", () => {
      if (isTurning) return;
      starts.push(shown.last_id);
      isTurning = true;
      refresh();
    });
    byId("edit-form").addEventListener("submit", saveLabel);
    byId("edit-cancel").addEventListener("click", () => byId("edit").close());
    setInterval(() => {
      if (!document.hidden) rows.each(tick);
    }, 1000);
  },
  /** The address of the page that is to be shown. */
  address() {
    const query = new URLSearchParams({ limit: PAGE_SIZE });
    if (starts.at(-1) !== "") query.set("after", starts.at(-1));
    if (byId("pool-upstream").value !== "") query.set("upstream", byId("pool-upstream").value);
    if (chosenState !== "") query.set("state", chosenState);
    return `cookies?${query}`;
  },
  show(page, all) {
    if (page.data.length === 0 && starts.length > 1) {
      // The page is empty by now: the one before is the last.
      starts.pop();
      refresh();
      return;
    }
    shown = page;
    upstreams = all;
    setOptions(byId("pool-upstream"), [["", say("all")], ...all.map(({ name }) => [name, name])]);
    rows.show(page.data);
    if (isTurning) byId("cookies").scrollIntoView();
    isTurning = false;
    showPages(showStates());
    const isFiltered = chosenState !== "" || byId("pool-upstream").value !== "";
    setText(byId("pool-empty"), say(isFiltered ? "pool.noMatch" : "pool.empty"));
    setShown(byId("pool-empty"), page.data.length === 0);
  },
  redraw() {
    if (shown) this.show(shown, upstreams);
    else this.forget();
  },
  forget() {
    shown = undefined;
    upstreams = [];
    faults.clear();
    rows.show([]);
    showStates();
    setOptions(byId("pool-upstream"), [["", say("all")]]);
    setShown(byId("pool-pages"), false);
    setText(byId("pool-empty"), say("key.needed"));
    setShown(byId("pool-empty"), true);
  },
};
