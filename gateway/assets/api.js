// Calls of the gateway's JSON endpoints, with the key.

import { key, refuseKey } from "./key.js";
import { currentLanguage, find, say } from "./i18n.js";

const TIMEOUT_MS = 15_000;
/** For calls that ask an upstream. */
export const ASKING_MS = 130_000;

let clockDifference = 0;

/** The server's time in Unix seconds: a browser's clock may be wrong. */
export const serverTime = () => Date.now() / 1000 + clockDifference;

/** What went wrong with a call. `status` 0: there was no answer. */
export class CallError extends Error {
  constructor(status, { message, code, param }, retryAfter) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
    this.retryAfter = retryAfter;
  }

  /** Whether the service itself couldn't be asked, rather than that it said no. */
  get isOutOfReach() {
    return this.status === 0 || this.code === "core_unavailable" || this.code === "shutting_down";
  }

  /** Whether the key is at fault. */
  get isKeys() {
    return this.status === 401 || this.code === "insufficient_permissions";
  }

  /** What to tell a person: in their language where we have words for it, with what the server says. */
  get text() {
    const known = this.code && find(`error.${this.code}`);
    if (!known || currentLanguage() === "en") return this.message;
    return this.message ? `${known}（${this.message}）` : known;
  }
}

/** Calls an endpoint, by its address relative to the page, and gives back the JSON. Throws `CallError`. */
export async function call(method, address, body, timeout = TIMEOUT_MS, bearer = key()) {
  const headers = { Authorization: `Bearer ${bearer}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const sent = Date.now();
  let response;
  let text;
  try {
    response = await fetch(address, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(timeout),
      cache: "no-store",
      credentials: "omit",
    });
    text = await response.text();
  } catch (error) {
    const code = error.name === "TimeoutError" ? "no_answer" : "no_connection";
    throw new CallError(0, { message: say(`error.${code}`), code });
  }
  noteTime(response.headers.get("date"), sent);
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    // A proxy's page, say.
    json = undefined;
  }
  if (response.ok && json !== undefined) return json;
  const error = new CallError(
    response.status,
    json?.error ?? { message: say("error.no_json", { status: response.status }), code: "no_json" },
    Number(response.headers.get("retry-after")) || undefined,
  );
  if (error.isKeys && bearer === key()) refuseKey(error);
  throw error;
}

/** Takes the time from the head of an answer to what was sent at that time. */
export function noteTime(date, sent) {
  const server = Date.parse(date ?? "");
  // The header has whole seconds, and the answer took its time: only a difference that shows is one.
  const difference = (server + 500 - (sent + Date.now()) / 2) / 1000;
  if (Number.isFinite(difference)) clockDifference = Math.abs(difference) > 2 ? difference : 0;
}
