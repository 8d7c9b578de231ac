// The page that makes client keys and watches them.

import { call, CallError } from "./api.js";
import { byId, setShown, setText } from "./element.js";
import { addWords, onLanguage, say, startLanguages } from "./i18n.js";
import { key, onKey, startKeys } from "./key.js";
import { keyList } from "./key_list.js";
import { redrawSecret, showSecret, startMaking } from "./key_making.js";
import { keyWords } from "./key_words.js";
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
  const address = keyList.address();
  try {
    const page = await call("GET", address);
    if (asked === key() && address === keyList.address()) keyList.show(page);
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
    showSecret(undefined);
    keyList.forget();
    showAway(undefined);
  } else {
    refresh();
  }
}

addWords(words);
addWords(keyWords);
startLanguages(byId("language"));
startMaking(refresh);
keyList.start(refresh);
onKey(showKey);
onLanguage(() => {
  redrawSecret();
  keyList.redraw();
  showAway(away);
});
document.addEventListener("visibilitychange", refresh);
startKeys(byId("key-button"), async (candidate) => {
  try {
    await call("GET", "keys?limit=1", undefined, undefined, candidate);
    return "";
  } catch (error) {
    return error.text ?? String(error);
  }
});
showKey();
