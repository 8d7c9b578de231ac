// Adding cookies: one or many, each shown accepted or rejected as it happens.

import { ASKING_MS, call } from "./api.js";
import { byId, element, setFault, setOptions, setShown, setText } from "./element.js";
import { number, say, sayCount } from "./i18n.js";
import { split } from "./split.js";

/** Checks under way at once: services count what comes from one address. */
const AT_ONCE = 4;
/** Between two looks at the field while many are added. */
const KEEP_MS = 500;
/** Results that are kept on the page; the oldest accepted ones go first. */
const RESULTS_SHOWN = 300;
const FIELDS = { upstream: "add-upstream", label: "add-label", user_agent: "add-user-agent", proxy: "add-proxy", kind: "add-kind", cookie: "add-cookies" };

let refresh;
let isRunning = false;
let isStopped = false;

const field = () => byId("add-cookies");

function showFound() {
  const count = split(field().value).length;
  setText(byId("add-found"), count === 0 ? "" : sayCount("add.found", count));
}

/** One line of the results. */
function makeResult(piece) {
  const outcome = element("span", { class: "outcome", textContent: say("add.checking") });
  const parts = piece.count > 1 ? ` (${say("add.parts", { count: number(piece.count) })})` : "";
  const node = element("li", {}, element("span", { class: "mono" }, piece.shown + parts), outcome);
  const tell = (kind, text) => {
    node.className = kind;
    setText(outcome, text);
  };
  return { node, tell };
}

/** Adds a line to the results, and follows them where nobody has scrolled away from the end. */
function appendResult(node) {
  const list = byId("add-results");
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(node);
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

async function run() {
  for (const id of Object.values(FIELDS)) setFault(id, "");
  setText(byId("add-outcome"), "");
  const pieces = split(field().value);
  if (pieces.length === 0) {
    setFault("add-cookies", say("add.missing"));
    field().focus();
    return;
  }
  begin(pieces.length);
  const settings = {};
  for (const name of ["upstream", "label", "user_agent", "proxy", "kind"]) {
    const value = byId(FIELDS[name]).value.trim();
    if (value !== "") settings[name] = value;
  }
  const waiting = [...pieces];
  const left = new Set(pieces);
  const tally = { accepted: 0, rejected: 0 };
  let why;
  let kept = Date.now();
  const worker = async () => {
    while (waiting.length > 0 && !isStopped) {
      const piece = waiting.shift();
      const result = makeResult(piece);
      appendResult(result.node);
      try {
        const added = await call("POST", "cookie/add", { ...settings, cookie: piece.text }, ASKING_MS);
        left.delete(piece);
        tally.accepted += 1;
        const reason = added.state === "unchecked" ? ` · ${say("state.unchecked").toLowerCase()}` : "";
        result.tell("good", say(added.created ? "add.accepted" : "add.known") + reason);
        if (Date.now() - kept > KEEP_MS) {
          keepLeft(left);
          kept = Date.now();
        }
        if (byId("add-results").childElementCount > RESULTS_SHOWN) byId("add-results").querySelector(".good").remove();
        refresh();
      } catch (error) {
        if (error.isKeys || error.isOutOfReach || (error.param && error.param !== "cookie")) {
          // What is wrong is wrong for all of them.
          why = error.text;
          isStopped = true;
          if (FIELDS[error.param]) setFault(FIELDS[error.param], error.text);
          result.node.remove();
        } else {
          tally.rejected += 1;
          result.tell("bad", say("add.rejected", { why: error.text }));
        }
      }
      const done = tally.accepted + tally.rejected;
      byId("add-progress").value = done;
      if (isRunning) setText(byId("add-outcome"), say("add.running", { done: number(done), count: number(pieces.length) }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  keepLeft(left);
  const text = why
    ? say("add.stopped", { why })
    : isStopped
      ? say("add.stoppedByHand")
      : say("add.done", { accepted: number(tally.accepted), rejected: number(tally.rejected) });
  end(text);
}

/** Takes what was added out of the field. */
function keepLeft(left) {
  field().value = join(left);
  showFound();
}

/** Credentials as one text that is split into the same. */
function join(pieces) {
  return [...pieces].map(({ text }) => (text.includes("\n") ? `${text}\n` : text)).join("\n");
}

function begin(count) {
  isRunning = true;
  isStopped = false;
  byId("add-results").replaceChildren();
  field().readOnly = true;
  byId("add-submit").setAttribute("aria-busy", "true");
  setShown(byId("add-stop"), count > AT_ONCE);
  const progress = byId("add-progress");
  progress.max = count;
  progress.value = 0;
  setShown(progress, count > AT_ONCE);
}

function end(text) {
  isRunning = false;
  field().readOnly = false;
  byId("add-submit").removeAttribute("aria-busy");
  setShown(byId("add-stop"), false);
  setShown(byId("add-progress"), false);
  setText(byId("add-outcome"), text);
  refresh();
}

/** Offers these services to add to. */
export function showServicesToAdd(upstreams) {
  const options = upstreams.filter(({ kind }) => kind !== "local").map(({ name }) => [name, name]);
  setOptions(byId("add-upstream"), options.length > 0 ? options : [["", "–"]]);
}

/** Puts credentials into the form, for a service. */
export function offer(pieces, upstream) {
  const select = byId("add-upstream");
  if (![...select.options].some(({ value }) => value === upstream)) {
    select.append(element("option", { value: upstream, textContent: upstream }));
  }
  select.value = upstream;
  field().value = join(pieces);
  showFound();
}

/** Begins to listen; `callback` shows the pool anew. */
export function startAdding(callback) {
  refresh = callback;
  field().addEventListener("input", () => {
    setFault("add-cookies", "");
    showFound();
  });
  byId("add-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!isRunning) run();
  });
  byId("add-stop").addEventListener("click", () => {
    isStopped = true;
  });
}
