// What a span tells of an attempt. The names are those of proto/src/telemetry_names.rs.

import { find, say } from "./i18n.js";

/** How an attempt went, of its span; undefined where the span is none's. `cookies` gives names to ids. */
export function attempt(span, cookies) {
  const told = span.attributes;
  const number = told["llm2api.attempt.number"];
  if (number === undefined) return undefined;
  const id = told["llm2api.credential.id"];
  const cookie = cookies.find((cookie) => cookie.id === id);
  const passedOver = told["llm2api.attempt.passed_over"];
  return {
    number,
    upstream: told["llm2api.upstream.name"] ?? "–",
    cookie: cookie?.label ?? cookie?.preview ?? id,
    id,
    outcome: told["llm2api.attempt.outcome"],
    fault: told["llm2api.attempt.fault"],
    error: told["error.type"],
    message: span.status_message,
    passedOver: Array.isArray(passedOver) ? passedOver.join(", ") : passedOver,
    tokens: told["gen_ai.usage.output_tokens"],
    first: told["gen_ai.response.time_to_first_chunk"],
  };
}

/** Why an attempt failed, as far as it is known. */
export function why({ error, message, fault }) {
  const known = error && find(`type.${error}`);
  const what = [error, known, message === error ? undefined : message].filter(Boolean).join(", ");
  const whose = fault && find(`fault.${fault}`);
  return [what || say("attempt.unknown"), whose].filter(Boolean).join(" · ");
}
