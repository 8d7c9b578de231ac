// The figures as they come: a stream that is begun anew whenever it ends.

import { CallError, noteTime } from "./api.js";
import { say } from "./i18n.js";
import { key, refuseKey } from "./key.js";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
/** The service sends every second; what is silent for so long is not there any more, though its connection may be. */
const SILENCE_MS = 12_000;

/** Reads a stream of server-sent events, each with one `data` line of JSON. */
async function* events(response, heard) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    const pieces = (rest + value).split("\n\n");
    rest = pieces.pop();
    for (const piece of pieces) {
      const data = piece.split("\n").find((line) => line.startsWith("data:"));
      if (data) yield JSON.parse(data.slice(5));
    }
  }
}

async function refusal(response) {
  let error;
  try {
    ({ error } = await response.json());
  } catch {
    // A proxy's page, say.
  }
  const { status } = response;
  return new CallError(status, error ?? { message: say("error.no_json", { status }), code: "no_json" });
}

/** A connection that comes back by itself. */
export class Live {
  #address;
  #show;
  #tell;
  #stop = new AbortController();
  #pause = FIRST_PAUSE_MS;
  #timer;

  /** `address()` is where to ask, `show(status)` gets what comes, `tell({state, error})` how it stands. */
  constructor(address, show, tell) {
    this.#address = address;
    this.#show = show;
    this.#tell = tell;
  }

  /** Begins, also where it runs already: at another address, or at once where it waits. */
  begin() {
    this.end();
    this.#pause = FIRST_PAUSE_MS;
    this.#connect(this.#stop);
  }

  /** Ends it. */
  end() {
    this.#stop.abort();
    this.#stop = new AbortController();
    clearTimeout(this.#timer);
  }

  async #connect(stop) {
    const bearer = key();
    let silence;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort(), SILENCE_MS);
    };
    let fault;
    try {
      heard();
      const sent = Date.now();
      const response = await fetch(this.#address(), {
        headers: { Authorization: `Bearer ${bearer}` },
        signal: stop.signal,
        cache: "no-store",
        credentials: "omit",
      });
      noteTime(response.headers.get("date"), sent);
      if (!response.ok) throw await refusal(response);
      for await (const event of events(response, heard)) {
        if (this.#stop !== stop) return;
        if (event.error) throw new CallError(response.status, event.error);
        this.#pause = FIRST_PAUSE_MS;
        this.#tell({ state: "live" });
        this.#show(event);
      }
    } catch (error) {
      if (error instanceof CallError) fault = error;
      // Anything but a broken connection is a fault of the page's own; it goes on all the same.
      else if (error.name !== "AbortError" && !(error instanceof TypeError)) reportError(error);
    } finally {
      clearTimeout(silence);
    }
    // Somebody ended it, or it was begun anew.
    if (this.#stop !== stop) return;
    if (fault?.isKeys) {
      if (bearer === key()) refuseKey(fault);
      return;
    }
    this.#again(fault ?? new CallError(0, { message: say("error.no_connection"), code: "no_connection" }));
  }

  #again(error) {
    // Many pages that lost the same service don't come back at the same instant.
    const pause = this.#pause * (0.75 + Math.random() / 2);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    this.#tell({ state: "away", error });
    this.#stop = new AbortController();
    const stop = this.#stop;
    this.#timer = setTimeout(() => this.#connect(stop), pause);
  }
}
