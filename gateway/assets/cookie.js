// The page that connects services, and adds and watches cookies.

import { call, CallError } from "./api.js";
import { startAdding, showServicesToAdd } from "./adding.js";
import { startConnecting } from "./connecting.js";
import { byId, setShown, setText } from "./element.js";
import { addWords, onLanguage, say, startLanguages } from "./i18n.js";
import { key, onKey, startKeys } from "./key.js";
import { pool } from "./pool.js";
import { services } from "./services.js";
import { cookieWords } from "./cookie_words.js";
import { words } from "./words.js";

const INTERVAL_MS = 3000;
const INTERVAL_AWAY_MS = 5000;

let timer;
let isAsking = false;
let isAskedAgain = false;
let away;

/** Asks for all that the page shows, now and again and again while somebody may see it. */
async function refresh() {
  clearTimeout(timer);
  if (document.hidden || key() === "") return;
  if (isAsking) {
    isAskedAgain = true;
    return;
  }
  isAsking = true;
  const asked = key();
  const address = pool.address();
  try {
    const [upstreams, cookies] = await Promise.all([call("GET", "upstreams"), call("GET", address)]);
    if (asked === key()) {
      services.show(upstreams.data);
      showServicesToAdd(upstreams.data);
      // Another page may be wanted by now; it is asked for at once.
      if (address === pool.address()) pool.show(cookies, upstreams.data);
    }
    showAway(undefined);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    if (!error.isKeys) showAway(error);
  } finally {
    isAsking = false;
  }
  if (isAskedAgain) {
    isAskedAgain = false;
    refresh();
    return;
  }
  timer = setTimeout(refresh, away ? INTERVAL_AWAY_MS : INTERVAL_MS);
}

function showAway(error) {
  away = error;
  const banner = byId("banner");
  setText(banner, error ? say("banner.away", { why: error.text }) : "");
  setShown(banner, error !== undefined);
}

/** Without a key nothing of what was seen stays. */
function showKey() {
  if (key() === "") {
    services.forget();
    pool.forget();
    showServicesToAdd([]);
    showAway(undefined);
  } else {
    refresh();
  }
}

addWords(words);
addWords(cookieWords);
startLanguages(byId("language"));
services.start(refresh);
pool.start(refresh);
startAdding(refresh);
startConnecting(refresh);
onKey(showKey);
onLanguage(() => {
  services.redraw();
  pool.redraw();
  showAway(away);
});
document.addEventListener("visibilitychange", refresh);
startKeys(byId("key-button"), async (candidate) => {
  try {
    await call("GET", "upstreams", undefined, undefined, candidate);
    return "";
  } catch (error) {
    return error.text ?? String(error);
  }
});
showKey();
