// The client keys: what each allows and has used, and what may be done to it.

import { call } from "./api.js";
import { confirmed } from "./confirm.js";
import { busy, byId, element, setShown, setText } from "./element.js";
import { ago, date } from "./format.js";
import { number, say } from "./i18n.js";
import { KeyFields } from "./key_fields.js";
import { showSecret } from "./key_making.js";
import { Rows } from "./rows.js";

const PAGE_SIZE = 100;
/** Share of a bound from which on it is shown as nearly reached. */
const NEARLY = 0.9;

let refresh;
let shown;
let fields;
let edited;
/** The ids after which the pages begin that were gone through; the last is the page that is shown. */
let starts = [""];
/** What was last done to each and failed, by its id. */
const faults = new Map();

const nameOf = (key) => key.label ?? key.preview;
const addressOf = (row) => `keys/${encodeURIComponent(row.id)}`;
const tell = (text) => setText(byId("keys-news"), text);

function action(row, classes, act) {
  const button = element("button", { type: "button", class: classes });
  button.addEventListener("click", () => act(row));
  return button;
}

/** A line of use: a count, and where it is bounded a bar. */
function makeUse() {
  const text = element("span");
  const bar = element("meter", { min: 0, max: 1, optimum: 0, high: NEARLY });
  return { node: element("div", { class: "use small" }, text, bar), text, bar };
}

function fillUse(use, count, bound, name) {
  const isBound = bound !== null;
  setText(use.text, say(isBound ? `${name}Of` : name, { count: number(count), bound: isBound ? number(bound) : "" }));
  setShown(use.bar, isBound);
  if (isBound) {
    use.bar.value = Math.min(1, count / bound);
    use.bar.setAttribute("aria-label", use.text.textContent);
  }
}

function make(id) {
  const row = { id };
  row.badge = element("span", { class: "badge" });
  row.until = element("div", { class: "muted small" });
  row.name = element("span", { class: "clip" });
  row.preview = element("span", { class: "mono muted" });
  row.allowed = element("div", { class: "muted small" });
  row.error = element("div", { class: "small bad news" });
  row.requests = makeUse();
  row.tokens = makeUse();
  row.today = makeUse();
  row.used = element("div", { class: "muted small" });
  row.edit = action(row, "quiet", edit);
  row.rotate = action(row, "quiet", rotate);
  row.revoke = action(row, "quiet bad", revoke);
  row.node = element(
    "li",
    { class: "row" },
    element("div", { class: "row-state" }, row.badge, row.until),
    element("div", { class: "row-main" }, element("div", { class: "row-title" }, row.name, row.preview), row.allowed, row.error),
    element("div", { class: "row-numbers" }, row.requests.node, row.tokens.node, row.today.node, row.used),
    element("div", { class: "row-actions" }, row.edit, row.rotate, row.revoke),
  );
  return row;
}

function fill(row, key) {
  row.key = key;
  row.badge.dataset.state = key.state === "active" ? "valid" : "invalid";
  setText(row.badge, say(`keys.${key.state}`));
  // It ends as a day begins: the last one is told.
  const day = key.expires_at && date(key.expires_at - 1);
  setText(row.until, day ? say(key.state === "active" ? "keys.until" : "keys.since", { day }) : "");
  setText(row.name, key.label ?? say("keys.unnamed"));
  row.name.classList.toggle("muted", key.label === null);
  setText(row.preview, key.preview);
  setText(row.allowed, allowed(key).join(" · "));
  setText(row.error, faults.get(key.id)?.() ?? "");
  const tokens = key.input_tokens + key.output_tokens;
  if (key.requests_per_minute === null) fillUse(row.requests, key.requests, null, "keys.requests");
  else fillUse(row.requests, key.requests_this_minute, key.requests_per_minute, "keys.requests");
  fillUse(row.today, key.tokens_today, key.tokens_per_day, "keys.today");
  setShown(row.today.node, key.tokens_per_day !== null);
  fillUse(row.tokens, tokens, key.tokens_total, "keys.tokens");
  for (const [verb, button] of [["edit", row.edit], ["rotate", row.rotate], ["revoke", row.revoke]]) {
    setText(button, say(`keys.${verb}`));
    button.setAttribute("aria-label", say(`keys.${verb}Of`, { name: nameOf(key) }));
  }
  tick(row);
}

/** What changes with the time alone. */
function tick(row) {
  const { last_used_at: used } = row.key;
  setText(row.used, used === null ? say("keys.unused") : say("keys.used", { time: ago(used) }));
}

/** What a key may have, where that is not everything. */
function allowed(key) {
  const parts = [];
  if (key.models) parts.push(key.models.join(", "));
  if (key.networks) parts.push(say("keys.from", { networks: key.networks.join(", ") }));
  if (!key.web_search) parts.push(say("keys.noSearch"));
  if (key.introspection) parts.push(say("keys.introspects"));
  return parts.length > 0 ? parts : [say("keys.everything")];
}

/** Does something to a key, and tells where that fails. Whether it was done. */
async function done(row, button, work) {
  return busy(button, async () => {
    try {
      await work();
      faults.delete(row.id);
      return true;
    } catch (error) {
      if (error.isKeys) return false;
      faults.set(row.id, () => error.text);
      fill(row, row.key);
      tell(error.text);
      return false;
    } finally {
      refresh();
    }
  });
}

async function rotate(row) {
  const name = nameOf(row.key);
  if (!(await confirmed(say("keys.rotateTitle", { name }), say("keys.rotateText"), say("keys.rotateYes")))) return;
  await done(row, row.rotate, async () => showSecret(await call("POST", `${addressOf(row)}/rotate`)));
}

async function revoke(row) {
  const name = nameOf(row.key);
  if (!(await confirmed(say("keys.revokeTitle", { name }), say("keys.revokeText"), say("keys.revoke")))) return;
  await done(row, row.revoke, async () => {
    await call("DELETE", addressOf(row));
    tell(say("keys.revoked", { name }));
    const next = row.node.nextElementSibling ?? row.node.previousElementSibling;
    row.node.remove();
    (next?.querySelector(".row-actions button") ?? byId("keys-title")).focus();
  });
}

function edit(row) {
  edited = row;
  setText(byId("edit-title"), say("keys.editTitle", { name: nameOf(row.key) }));
  setText(byId("edit-outcome"), "");
  fields.fill(row.key);
  byId("edit").showModal();
}

async function save(event) {
  event.preventDefault();
  await busy(byId("edit-save"), async () => {
    setText(byId("edit-outcome"), "");
    fields.showFault();
    try {
      fill(edited, await call("PATCH", addressOf(edited), fields.read()));
      byId("edit").close();
      refresh();
    } catch (error) {
      if (error.isKeys) byId("edit").close();
      else if (!error.param || !fields.showFault(error.param, error.text)) setText(byId("edit-outcome"), error.text);
    }
  });
}

const rows = new Rows(() => byId("keys-list"), make, fill);

/** The list of keys. */
export const keyList = {
  start(callback) {
    refresh = callback;
    fields = new KeyFields(byId("edit-fields"), "edit");
    byId("edit-form").addEventListener("submit", save);
    byId("edit-cancel").addEventListener("click", () => byId("edit").close());
    byId("keys-back").addEventListener("click", () => {
      starts.pop();
      refresh();
    });
    byId("keys-next").addEventListener("click", () => {
      if (starts.at(-1) !== shown.last_id) starts.push(shown.last_id);
      refresh();
    });
    setInterval(() => {
      if (!document.hidden) rows.each(tick);
    }, 1000);
  },
  /** The address of the page that is to be shown. */
  address() {
    const query = new URLSearchParams({ limit: PAGE_SIZE });
    if (starts.at(-1) !== "") query.set("after", starts.at(-1));
    return `keys?${query}`;
  },
  show(page) {
    if (page.data.length === 0 && starts.length > 1) {
      // The page is empty by now: the one before is the last.
      starts.pop();
      refresh();
      return;
    }
    shown = page;
    rows.show(page.data);
    setShown(byId("keys-pages"), starts.length > 1 || page.has_more);
    byId("keys-back").disabled = starts.length === 1;
    byId("keys-next").disabled = !page.has_more;
    setText(byId("keys-empty"), say("keys.empty"));
    setShown(byId("keys-empty"), page.data.length === 0);
  },
  redraw() {
    if (shown) this.show(shown);
    else this.forget();
  },
  forget() {
    shown = undefined;
    starts = [""];
    faults.clear();
    rows.show([]);
    if (byId("edit").open) byId("edit").close();
    setShown(byId("keys-pages"), false);
    setText(byId("keys-empty"), say("key.needed"));
    setShown(byId("keys-empty"), true);
  },
};
