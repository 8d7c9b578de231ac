// Connecting a service: its address and a key or cookie, a test, its models, and the line to try.

import { ASKING_MS, call } from "./api.js";
import { offer } from "./adding.js";
import { busy, byId, element, setFault, setShown, setText } from "./element.js";
import { number, onLanguage, say, sayCount } from "./i18n.js";
import { split } from "./split.js";
import { startCopying, tryLine } from "./try_line.js";

const FIELDS = ["url", "cookie", "name", "kind", "proxy"];
const MODELS_SHOWN = 24;

let refresh;
let connected;

const field = (name) => byId(`connect-${name}`);
const tell = (text, isBad = false) => {
  const outcome = byId("connect-outcome");
  setText(outcome, text);
  outcome.classList.toggle("bad", isBad);
};

/** An address as people write it, with the scheme that they leave out. */
function address(text) {
  const trimmed = text.trim();
  return trimmed === "" || /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `https://${trimmed}`;
}

async function connect() {
  for (const name of FIELDS) setFault(`connect-${name}`, "");
  tell("");
  const url = address(field("url").value);
  if (url === "") {
    setFault("connect-url", say("connect.urlMissing"));
    field("url").focus();
    return;
  }
  const [first, ...rest] = split(field("cookie").value);
  const body = { url };
  if (first) body.cookie = first.text;
  for (const name of ["name", "kind", "proxy"]) {
    const value = field(name).value.trim();
    if (value !== "") body[name] = value;
  }
  tell(say("connect.asking", { host: url.replace(/^\w+:\/\/(?:[^/@]*@)?/, "").replace(/[/?#].*$/, "") }));
  let upstream;
  try {
    upstream = await call("POST", "upstreams", body, ASKING_MS);
  } catch (error) {
    refuse(error, first);
    return;
  }
  for (const name of FIELDS) field(name).value = "";
  refresh();
  tell(say("connect.testing", { name: upstream.name }));
  try {
    const result = await call("POST", `upstreams/${encodeURIComponent(upstream.name)}/test`, undefined, ASKING_MS);
    tell(result.ok ? "" : result.error, !result.ok);
    show(result.upstream, rest.length);
  } catch (error) {
    tell(error.text, true);
    show(upstream, rest.length);
  }
  if (rest.length > 0) offer(rest, upstream.name);
  refresh();
}

function refuse(error, hasCookie) {
  tell("");
  const param = FIELDS.includes(error.param) ? error.param : hasCookie && error.code === "cookie_invalid" ? "cookie" : undefined;
  if (param) {
    setFault(`connect-${param}`, error.text);
    field(param).focus();
  } else {
    tell(error.text, true);
  }
}

function show(upstream, restCount) {
  connected = { upstream, restCount, model: upstream.models[0] };
  draw();
  byId("connected-title").focus();
}

function draw() {
  if (!connected) return;
  const { upstream, restCount, model } = connected;
  const { name, models } = upstream;
  setShown(byId("connected"), true);
  const rest = restCount > 0 ? ` ${say("connect.rest", { count: number(restCount) })}` : "";
  setText(byId("connected-title"), say("connect.done", { name }));
  setText(byId("connected-models-text"), (models.length > 0 ? sayCount("connect.models", models.length) : say("connect.noModels")) + rest);
  const items = models.slice(0, MODELS_SHOWN).map((id) => {
    const chip = element("button", { type: "button", class: "chip", "aria-pressed": String(id === model), textContent: id });
    chip.addEventListener("click", () => {
      connected.model = id;
      for (const { firstChild } of byId("connected-models").children) {
        if (firstChild.ariaPressed) firstChild.ariaPressed = String(firstChild === chip);
      }
      drawLine();
    });
    return element("li", {}, chip);
  });
  if (models.length > MODELS_SHOWN) {
    const count = number(models.length - MODELS_SHOWN);
    items.push(element("li", { class: "muted small" }, say("connect.moreModels", { count })));
  }
  byId("connected-models").replaceChildren(...items);
  drawLine();
}

function drawLine() {
  const { upstream, model } = connected;
  setText(byId("curl"), tryLine(model ?? `${upstream.name}/MODEL`));
}

/** Begins to listen; `callback` shows services and pool anew. */
export function startConnecting(callback) {
  refresh = callback;
  byId("connect-form").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(byId("connect-submit"), connect);
  });
  startCopying(byId("copy"), byId("curl"));
  onLanguage(draw);
}
