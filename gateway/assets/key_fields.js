// What a client key allows, as fields: of the form that makes one, and of the dialog that changes one.

import { element, setFault } from "./element.js";
import { translate } from "./i18n.js";

const NUMBERS = ["requests_per_minute", "tokens_per_day", "tokens_total"];
const LISTS = ["models", "networks"];
const SWITCHES = ["web_search", "introspection"];
const HINTS = { models: "fields.modelsHint", networks: "fields.networksHint" };

/** The day before which a key ends is the last one that it holds, by the clock of whoever looks. */
function dayOf(seconds) {
  if (seconds === null) return "";
  const last = new Date(seconds * 1000 - 1);
  const two = (value) => String(value).padStart(2, "0");
  return `${last.getFullYear()}-${two(last.getMonth() + 1)}-${two(last.getDate())}`;
}

/** When a day is over, in Unix seconds. */
function endOf(day) {
  const [year, month, date] = day.split("-").map(Number);
  return Math.floor(new Date(year, month - 1, date + 1).getTime() / 1000);
}

const listOf = (text) => text.split(/[\s,]+/).filter((entry) => entry !== "");

/** Fields whose ids begin with `prefix`, in this element. */
export class KeyFields {
  #prefix;
  #inputs = {};

  constructor(place, prefix) {
    this.#prefix = prefix;
    const text = (name, properties = {}) => this.#field(name, element("input", { ...properties, id: `${prefix}-${name}` }));
    const number = (name) => text(name, { type: "number", min: 1, step: 1, inputMode: "numeric", "data-placeholder": "fields.unlimited" });
    const list = (name) => text(name, { autocapitalize: "none", spellcheck: false, "data-placeholder": HINTS[name] });
    place.append(
      element("div", { class: "fields" }, text("label", { maxLength: 200, "data-placeholder": "optional" }), text("expires_at", { type: "date" })),
      element("div", { class: "fields three" }, ...NUMBERS.map(number)),
      element("div", { class: "fields" }, ...LISTS.map(list)),
      element("div", { class: "switches" }, ...SWITCHES.map((name) => this.#switch(name))),
    );
    translate(place);
    this.clear();
  }

  #field(name, input) {
    this.#inputs[name] = input;
    return element(
      "div",
      { class: "field" },
      element("label", { htmlFor: input.id, "data-text": `fields.${name}` }),
      input,
      element("p", { class: "fault", id: `${input.id}-fault`, hidden: true }),
    );
  }

  #switch(name) {
    const input = element("input", { type: "checkbox", id: `${this.#prefix}-${name}` });
    this.#inputs[name] = input;
    return element("label", { class: "switch" }, input, element("span", { "data-text": `fields.${name}` }));
  }

  /** Shows what a key allows. */
  fill(key) {
    const inputs = this.#inputs;
    inputs.label.value = key.label ?? "";
    inputs.expires_at.value = dayOf(key.expires_at);
    inputs.expires_at.given = key.expires_at;
    for (const name of NUMBERS) inputs[name].value = key[name] ?? "";
    for (const name of LISTS) inputs[name].value = (key[name] ?? []).join(", ");
    for (const name of SWITCHES) inputs[name].checked = key[name];
    this.showFault();
  }

  /** What a key allows of which nothing else is said. */
  clear() {
    this.fill({ label: null, expires_at: null, models: null, networks: null, web_search: true, introspection: false });
  }

  /** All of it, as the endpoints take it: 0 and an empty list are no bound. */
  read() {
    const inputs = this.#inputs;
    const { value: day, given } = inputs.expires_at;
    const body = { label: inputs.label.value.trim() };
    // A day that nobody has changed keeps its hour.
    body.expires_at = day === "" ? 0 : day === dayOf(given ?? null) ? given : endOf(day);
    // What is no number at all is told by the service.
    for (const name of NUMBERS) body[name] = inputs[name].validity.badInput ? -1 : Number(inputs[name].value);
    for (const name of LISTS) body[name] = listOf(inputs[name].value);
    for (const name of SWITCHES) body[name] = inputs[name].checked;
    return body;
  }

  /** Tells what is wrong with a field; without one, that nothing is. Whether there is such a field. */
  showFault(name, text = "") {
    for (const [other, input] of Object.entries(this.#inputs)) {
      if (input.type !== "checkbox") setFault(input.id, other === name ? text : "");
    }
    const input = this.#inputs[name];
    input?.focus();
    return input !== undefined && input.type !== "checkbox";
  }
}
