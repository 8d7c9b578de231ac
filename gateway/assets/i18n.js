// Languages: the browser's, or the one that somebody chose.

const STORED = "llm2api-language";
const languages = {};
let language = "en";
const listeners = [];

/** Adds words, `{en: {name: text}, zh: {…}}`. */
export function addWords(words) {
  for (const [name, texts] of Object.entries(words)) languages[name] = { ...languages[name], ...texts };
}

/** The language now. */
export const currentLanguage = () => language;

/** A text, with `{name}` replaced by that parameter. Undefined where there is none by this name. */
export function find(name, parameters = {}) {
  const text = languages[language]?.[name] ?? languages.en[name];
  return text?.replace(/\{(\w+)\}/g, (_, parameter) => parameters[parameter] ?? "");
}

/** A text that there is. */
export const say = (name, parameters) => find(name, parameters) ?? name;

/** A count with the right form of its noun: `name.one` or `name.other`. */
export function sayCount(name, count) {
  const form = count === 1 ? "one" : "other";
  return say(`${name}.${form}`, { count: number(count) });
}

/** A number, written as people do. */
export const number = (value) => value.toLocaleString(language);

/** Puts texts where the page names them. */
export function translate(root = document) {
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = say(node.dataset.text);
  for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", say(node.dataset.label));
  for (const node of root.querySelectorAll("[data-placeholder]")) node.placeholder = say(node.dataset.placeholder);
}

/** Calls back when the language changes. */
export const onLanguage = (listener) => listeners.push(listener);

function use(name) {
  language = name;
  document.documentElement.lang = name === "zh" ? "zh-CN" : name;
  translate();
  for (const listener of listeners) listener();
}

/** Begins in the language that was chosen, else the browser's; the button switches. */
export function startLanguages(button) {
  const wanted = localStorage.getItem(STORED) ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
  button.addEventListener("click", () => {
    const other = language === "en" ? "zh" : "en";
    localStorage.setItem(STORED, other);
    use(other);
  });
  use(wanted === "zh" ? "zh" : "en");
}
