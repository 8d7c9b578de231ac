// What an operator is to know: one sentence for all, and a line for each thing that needs a look.

import { serverTime } from "./api.js";
import { byId, element, setShown, setText } from "./element.js";
import { age, amount, date, dayAndTime, share } from "./format.js";
import { number, say, sayCount } from "./i18n.js";
import { Rows } from "./rows.js";

/** From this part of the last minute's requests on, failing is what is going on; a few alone may be chance. */
const MANY_ERRORS = 0.1;
const FEW_ERRORS = 2;
/** A code that ends within so many seconds is to be renewed. */
const SOON = 7 * 86_400;
const LEVELS = ["bad", "warn", "plain"];

/** Why it is so, where that is known. */
const because = (reason) => (reason ? say("notice.why", { why: reason }) : "");

function authorization({ authorization }) {
  if (!authorization?.has_authority) return [];
  const { state, reason, expires_at } = authorization;
  const until = expires_at === null ? "" : date(expires_at);
  const why = because(reason);
  if (state === "invalid") return [{ id: "authorization", level: "bad", text: say("notice.invalid", { why }) }];
  if (state === "grace") return [{ id: "authorization", level: "warn", text: say("notice.grace", { why }) }];
  if (state === "unchecked") return [{ id: "authorization", level: "warn", text: say("notice.unchecked", { why }) }];
  if (expires_at !== null && expires_at - serverTime() < SOON) {
    return [{ id: "authorization", level: "warn", text: say("notice.ending", { until }) }];
  }
  return [];
}

function failing({ windows: { minute } }) {
  if (minute.errors === 0 || minute.errors / minute.requests < MANY_ERRORS) return [];
  const [[code]] = Object.entries(minute.errors_by_code).sort(([, one], [, other]) => other - one).concat([[""]]);
  const text = say("notice.failing", { share: share(minute.errors, minute.requests), code });
  const level = minute.errors > FEW_ERRORS ? "bad" : "warn";
  return [{ id: "failing", level, text, link: "#traces-title" }];
}

function upstreams({ upstreams }) {
  if (upstreams.length === 0) return [{ id: "none", level: "warn", text: say("notice.noUpstream"), link: "cookie", name: say("notice.connect") }];
  return upstreams
    .filter(({ state }) => state === "degraded")
    .map(({ name, reason }) => {
      const text = say("notice.upstream", { name, why: because(reason) });
      return { id: `upstream ${name}`, level: "warn", text, link: "#upstreams-title" };
    });
}

function cookies({ cookies }) {
  const bad = cookies.filter(({ state }) => state === "invalid" || state === "cooling");
  if (bad.length === 0) return [];
  const count = (state) => bad.filter((cookie) => cookie.state === state).length;
  const parts = ["cooling", "invalid"].filter((state) => count(state) > 0).map((state) => `${number(count(state))} ${say(`state.${state}`).toLowerCase()}`);
  return [{ id: "cookies", level: "warn", text: `${sayCount("notice.cookies", bad.length)} ${parts.join(", ")}`, link: "#cookies-title" }];
}

function search({ search }) {
  if (!search.is_default || search.instances.length === 0) return [];
  return [{ id: "search", level: "plain", text: say("notice.search", { hosts: search.instances.join(", ") }) }];
}

function dropped({ telemetry_dropped }) {
  if (telemetry_dropped === 0) return [];
  return [{ id: "dropped", level: "plain", text: say("notice.dropped", { count: amount(telemetry_dropped) }) }];
}

const SOURCES = [failing, authorization, upstreams, cookies, search, dropped];

function make() {
  const row = { text: element("span"), link: element("a") };
  row.node = element("li", {}, row.text, row.link);
  return row;
}

function fill(row, { level, text, link, name }) {
  row.node.dataset.level = level;
  setText(row.text, text);
  setShown(row.link, link !== undefined);
  if (link === undefined) return;
  row.link.href = link;
  setText(row.link, name ?? say("notice.look"));
}

const rows = new Rows(() => byId("notices"), make, fill);

function verdict(level, text) {
  byId("verdict").dataset.level = level;
  setText(byId("verdict"), text);
}

/** The sentence and the lines below it. */
export const notices = {
  show(status) {
    const found = SOURCES.flatMap((source) => source(status));
    const level = LEVELS.find((level) => level !== "plain" && found.some((notice) => notice.level === level));
    if (level) verdict(level, say(`verdict.${level}`));
    else if (status.windows.total.requests === 0) verdict("plain", say("verdict.first"));
    else verdict("good", say("verdict.good"));
    rows.show(found);
    const { started_at, uptime_seconds, version, authorization: code } = status;
    const facts = [say("facts.up", { age: age(uptime_seconds), since: dayAndTime(started_at) }), say("facts.version", { version })];
    if (code?.has_authority && code.state === "valid") {
      facts.push(code.expires_at === null ? say("facts.authorized") : say("facts.authorizedUntil", { until: date(code.expires_at) }));
    }
    setText(byId("facts"), facts.join(" · "));
  },
  forget() {
    rows.show([]);
    verdict("plain", say("verdict.signIn"));
    setText(byId("facts"), "");
  },
};
