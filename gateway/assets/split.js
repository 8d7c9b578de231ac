// One credential from the next, in what somebody pasted.

/**
 * The credentials in a text, each `{text, name, shown}`: what to send, and what may be shown of it.
 *
 * A value or a `Cookie:` header is a line; a browser extension's JSON export is an array of objects, or an object with such an array;
 * cookies.txt lines are one credential up to an empty line, or to where the same cookie comes again.
 */
export function split(text) {
  const found = [];
  let netscape = [];
  let seen = new Set();
  const endNetscape = () => {
    if (netscape.length > 0) found.push({ text: netscape.join("\n"), ...shown(netscape[0].split("\t").at(-1), netscape.length) });
    netscape = [];
    seen = new Set();
  };
  let rest = text;
  while (rest !== "") {
    const json = /^\s*[[{]/.test(rest) ? leadingJson(rest) : undefined;
    if (json) {
      endNetscape();
      found.push(...ofJson(json.value));
      rest = rest.slice(json.length);
      continue;
    }
    const end = /\r?\n|$/.exec(rest);
    const line = rest.slice(0, end.index);
    rest = rest.slice(end.index + end[0].length);
    const fields = line.replace(/^#HttpOnly_/, "").split("\t");
    if (fields.length === 7 && !line.startsWith("# ")) {
      const cookie = `${fields[0]} ${fields[5]}`;
      if (seen.has(cookie)) endNetscape();
      seen.add(cookie);
      netscape.push(line.trim());
    } else if (line.trim() === "" || line.startsWith("#")) {
      endNetscape();
    } else {
      endNetscape();
      for (const piece of line.split("||").map((piece) => piece.trim())) {
        if (piece !== "") found.push({ text: piece, ...shown(piece, 1) });
      }
    }
  }
  endNetscape();
  return found;
}

/** The JSON that a text begins with, and how long it is. */
function leadingJson(text) {
  let depth = 0;
  let isString = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (isString) {
      if (character === "\\") index += 1;
      else if (character === '"') isString = false;
    } else if (character === '"') isString = true;
    else if (character === "[" || character === "{") depth += 1;
    else if (character === "]" || character === "}") depth -= 1;
    if (depth === 0 && !isString && /[\]}]/.test(character)) {
      try {
        return { value: JSON.parse(text.slice(0, index + 1)), length: index + 1 };
      } catch {
        return undefined;
      }
    }
  }
  return undefined;
}

const isCookie = (value) => typeof value === "object" && value !== null && "name" in value && "value" in value;

function ofJson(value) {
  if (Array.isArray(value) && value.length > 0 && !value.every(isCookie)) {
    return value.flatMap((item) => (typeof item === "string" ? split(item) : ofJson(item)));
  }
  const cookies = Array.isArray(value) ? value : (value?.cookies ?? [value]);
  const first = cookies[0];
  return [{ text: JSON.stringify(value), ...shown(first?.value, cookies.length) }];
}

/** What may be shown of a value: its name, and the last four characters where it is long. */
function shown(value, count) {
  const header = String(value ?? "").replace(/^cookie:\s*/i, "");
  const first = header.split(";")[0];
  const pair = /^([\w!#$%&'*+.^`|~-]+)=(.*[^=].*)$/.exec(first);
  const secret = pair ? pair[2] : first;
  const end = secret.length >= 16 ? secret.slice(-4) : "";
  return { shown: `${pair ? `${pair[1]}=` : ""}…${end}`, count };
}
