// The dashboard: what is going on, as it comes.

import { call } from "./api.js";
import { courses } from "./courses.js";
import { dashboardWords } from "./dashboard_words.js";
import { byId, element, setText } from "./element.js";
import { errors } from "./errors.js";
import { first } from "./first.js";
import { addWords, onLanguage, say, startLanguages } from "./i18n.js";
import { key, onKey, startKeys } from "./key.js";
import { Live } from "./live.js";
import { notices } from "./notices.js";
import { tables } from "./tables.js";
import { tiles } from "./tiles.js";
import { trace } from "./trace.js";
import { traces } from "./traces.js";
import { words } from "./words.js";

const WINDOWS = ["minute", "hour", "day", "month", "total"];
const STORED = "llm2api-window";
/** The most models, cookies and keys that are asked for. */
const LIST_LIMIT = 100;

let chosen = WINDOWS.includes(localStorage.getItem(STORED)) ? localStorage.getItem(STORED) : "hour";
let shown;
/** The window whose course the last status has. */
let courseOf;
let connection = { state: "waiting" };

/** There is no course of all time; the longest one stands for it. */
const course = () => (chosen === "total" ? "month" : chosen);

const live = new Live(
  () => `status/stream?timeline=${course()}&limit=${LIST_LIMIT}`,
  (status) => {
    shown = status;
    courseOf = course();
    draw();
  },
  (state) => {
    connection = state;
    drawConnection();
  },
);

function draw() {
  byId("board").dataset.state = shown ? "shown" : "waiting";
  drawConnection();
  drawWindows();
  if (!shown) return;
  notices.show(shown);
  first.show(shown);
  tiles.show(shown, chosen);
  if (courseOf === course()) courses.show(shown);
  errors.show(shown, chosen);
  tables.show(shown, chosen);
  trace.name(shown);
  traces.follow(shown);
}

function drawConnection() {
  const { state, error } = connection;
  const node = byId("live");
  node.dataset.state = key() === "" ? "waiting" : state;
  // A service that answers says why it can't.
  const why = error?.status > 0 ? error.text : say("live.lost");
  const text = state === "away" ? say("live.away", { why }) : say(`live.${state}`);
  setText(node, key() === "" ? "" : text);
  document.body.classList.toggle("is-stale", state === "away" && key() !== "");
}

function drawWindows() {
  for (const button of byId("windows").children) {
    setText(button, say(`window.${button.dataset.window}`));
    button.setAttribute("aria-pressed", String(button.dataset.window === chosen));
  }
}

function choose(name) {
  chosen = name;
  localStorage.setItem(STORED, name);
  draw();
  // The course of another window comes with the next answer.
  if (shown && courseOf !== course()) live.begin();
}

/** Watches while somebody may see it. Without a key nothing of what was seen stays. */
function watch() {
  if (key() === "") {
    live.end();
    shown = undefined;
    for (const part of [notices, first, tiles, courses, errors, tables, traces]) part.forget();
    draw();
  } else if (document.hidden) {
    live.end();
    return;
  } else {
    if (!shown) connection = { state: "waiting" };
    live.begin();
    draw();
  }
  trace.follow();
}

addWords(words);
addWords(dashboardWords);
byId("windows").append(
  ...WINDOWS.map((name) => {
    const button = element("button", { type: "button", "data-window": name });
    button.addEventListener("click", () => choose(name));
    return button;
  }),
);
tiles.start();
courses.start();
tables.start();
traces.start();
trace.start();
first.start();
startLanguages(byId("language"));
onKey(watch);
onLanguage(() => {
  if (shown) draw();
  else watch();
  courses.redraw();
  traces.redraw();
  trace.redraw();
});
document.addEventListener("visibilitychange", watch);
addEventListener("online", watch);
startKeys(byId("key-button"), async (candidate) => {
  try {
    await call("GET", "status?limit=1", undefined, undefined, candidate);
    return "";
  } catch (error) {
    return error.text ?? String(error);
  }
});
watch();
