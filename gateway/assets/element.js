// Elements, made and changed. Text goes in as text and never as HTML.

/** Finds an element of the page by its id. */
export const byId = (id) => document.getElementById(id);

/** Makes an element with these properties; `class` and names with a hyphen are attributes. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class" || name.includes("-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** Sets a text where it is another: what is the same keeps its place, its selection and its reader's attention. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Shows or hides. */
export function setShown(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

/** Gives a select these options, each `[value, text]`, and keeps what is chosen. */
export function setOptions(select, options) {
  const signature = JSON.stringify(options);
  if (select.dataset.options === signature) return;
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, text]) => element("option", { value, textContent: text })));
  select.dataset.options = signature;
  select.value = options.some(([value]) => value === chosen) ? chosen : options[0]?.[0] ?? "";
}

/** Tells what is wrong with a field, or that nothing is (an empty text). */
export function setFault(id, text) {
  const field = byId(id);
  const fault = byId(`${id}-fault`);
  setText(fault, text);
  setShown(fault, text !== "");
  if (text === "") {
    field.removeAttribute("aria-invalid");
  } else {
    field.setAttribute("aria-invalid", "true");
    if (!field.hasAttribute("aria-describedby")) field.setAttribute("aria-describedby", fault.id);
    field.closest("details")?.setAttribute("open", "");
  }
}

/** Makes a button busy while a promise runs. Its name stays, so that a reader isn't told of it anew. */
export async function busy(button, work) {
  if (button.getAttribute("aria-busy") === "true") return undefined;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } finally {
    button.removeAttribute("aria-busy");
  }
}
