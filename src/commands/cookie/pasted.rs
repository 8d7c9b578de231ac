//! One credential from the next, in what somebody gives: the page `/cookie` does the same (gateway/assets/split.js), and one table of
//! tests is for both.

use std::{
    collections::HashSet,
    fs,
    io::{self, IsTerminal, Read},
    path::Path,
};

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// Fields of a line of Netscape's cookies.txt; the sixth is the cookie's name.
const NETSCAPE_FIELDS: usize = 7;

/// Reads a file, or, without one or by the name `-`, standard input.
pub(crate) fn read(file: Option<&Path>) -> anyhow::Result<SecretString> {
    let text = match file.filter(|file| *file != Path::new("-")) {
        Some(file) => {
            fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?
        }
        None => {
            if io::stdin().is_terminal() {
                eprintln!("Paste cookies or keys, then press Ctrl-D on a line of its own:");
            }
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .context("can't read standard input")?;
            text
        }
    };
    Ok(SecretString::from(text))
}

/// The credentials in a text.
///
/// A value or a `Cookie:` header is a line; a browser extension's JSON export is an array of objects, or an object with such an array;
/// cookies.txt lines are one credential up to an empty line, or to where the same cookie comes again.
pub(crate) fn split(text: &SecretString) -> Vec<SecretString> {
    let mut pieces = Pieces::default();
    pieces.take(text.expose_secret());
    pieces.end_netscape();
    pieces.found
}

#[derive(Default)]
struct Pieces {
    found: Vec<SecretString>,
    /// Lines of cookies.txt that belong together, and the cookies that they hold.
    netscape: Vec<String>,
    seen: HashSet<(String, String)>,
}

impl Pieces {
    fn take(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            if rest.trim_start().starts_with(['[', '{'])
                && let Some((value, length)) = leading_json(rest)
            {
                self.end_netscape();
                self.take_json(&value, rest[..length].trim());
                rest = &rest[length..];
                continue;
            }
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            self.take_line(line.trim_end_matches('\r'));
            rest = after;
        }
    }

    fn take_line(&mut self, line: &str) {
        let plain = line.strip_prefix("#HttpOnly_").unwrap_or(line);
        let fields: Vec<&str> = plain.split('\t').collect();
        if fields.len() == NETSCAPE_FIELDS && !line.starts_with("# ") {
            let cookie = (fields[0].to_owned(), fields[5].to_owned());
            if self.seen.contains(&cookie) {
                self.end_netscape();
            }
            self.seen.insert(cookie);
            self.netscape.push(line.trim().to_owned());
            return;
        }
        self.end_netscape();
        if !line.starts_with('#') {
            let pieces = line.split("||").map(str::trim);
            self.found.extend(
                pieces
                    .filter(|piece| !piece.is_empty())
                    .map(SecretString::from),
            );
        }
    }

    fn end_netscape(&mut self) {
        if !self.netscape.is_empty() {
            self.found.push(self.netscape.join("\n").into());
        }
        self.netscape.clear();
        self.seen.clear();
    }

    fn take_json(&mut self, value: &Value, text: &str) {
        match value {
            Value::Array(items) if !items.is_empty() && !items.iter().all(is_cookie) => {
                for item in items {
                    match item {
                        Value::String(text) => self.found.extend(split(&text.as_str().into())),
                        item => self.take_json(item, &item.to_string()),
                    }
                }
            }
            _ => self.found.push(text.into()),
        }
    }
}

/// The JSON that a text begins with, and how many bytes it takes.
fn leading_json(text: &str) -> Option<(Value, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter();
    let value = values.next()?.ok()?;
    Some((value, values.byte_offset()))
}

fn is_cookie(value: &Value) -> bool {
    value.get("name").is_some() && value.get("value").is_some()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        text: String,
        pieces: Vec<String>,
    }

    #[test]
    fn each_credential_is_found_in_whatever_form() {
        let cases = include_str!("../../../tests/pasted.json");
        let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
        for case in cases {
            let found = split(&case.text.clone().into());
            let found: Vec<&str> = found.iter().map(ExposeSecret::expose_secret).collect();
            assert_eq!(found, case.pieces, "{}", case.text);
        }
    }
}
