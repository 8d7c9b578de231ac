//! What operators paste as a cookie, in each form in which browsers and their extensions give it out.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::cookie_header::{is_of_host, is_pair, of_pairs};

/// Bytes that the header may have: servers refuse longer ones.
const MAX_SIZE: usize = 16 * 1024;

/// Foreign domains that an error names.
const MAX_DOMAINS: usize = 3;

/// How Netscape's format marks a cookie that no script sees; to other programs it is a comment.
const HTTP_ONLY: &str = "#HttpOnly_";

/// What is wrong with a text; says nothing of its values.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PasteError {
    /// Nothing is there.
    #[error("the cookie is empty")]
    Empty,
    /// It begins like JSON.
    #[error(
        "the cookie looks like JSON, but is no export of cookies: a list of objects with `name` and `value`"
    )]
    Json,
    /// All cookies are those of other sites.
    #[error("no cookie in it is for {host}; they are for {domains}")]
    OtherHosts {
        /// The upstream's host.
        host: String,
        /// Some of theirs.
        domains: String,
    },
    /// It can't be told where one ends.
    #[error(
        "the cookie has several lines, but is neither an export nor in cookies.txt form; give one cookie a time"
    )]
    Lines,
    /// It can't be sent.
    #[error(
        "the cookie has spaces or characters that no Cookie header can have; give its value, or name=value pairs between semicolons"
    )]
    Characters,
    /// It is too long.
    #[error("the cookie has more than {} KiB", MAX_SIZE / 1024)]
    TooLong,
}

/// A cookie of an export.
struct Exported<'a> {
    name: &'a str,
    value: &'a str,
    /// Empty: not said.
    domain: &'a str,
}

/// Makes one `Cookie` header of what was pasted, of those cookies that fit the host, or a bare value where it is one.
///
/// Knows a bare value, a `Cookie` header with or without its name, the JSON of browser extensions (an array, or an object with one in
/// `cookies`), an object of names and values, and the lines of a `cookies.txt`.
///
/// # Errors
///
/// [`PasteError`].
pub(crate) fn normalised(text: &SecretString, host: &str) -> Result<SecretString, PasteError> {
    let text = text.expose_secret().trim();
    let normalised = match text.chars().next() {
        None => return Err(PasteError::Empty),
        Some('[' | '{') => {
            let json: Value = serde_json::from_str(text).map_err(|_| PasteError::Json)?;
            header_for(&exported(&json).ok_or(PasteError::Json)?, host)?
        }
        Some(_) => {
            let lines: Vec<_> = text.lines().filter_map(netscape_line).collect();
            match lines.is_empty() {
                true => of_line(cookie_line(text)?)?,
                false => header_for(&lines, host)?,
            }
        }
    };
    if normalised.len() > MAX_SIZE {
        return Err(PasteError::TooLong);
    }
    Ok(normalised.into())
}

/// The one line that matters: of a request's head, the header's.
fn cookie_line(text: &str) -> Result<&str, PasteError> {
    let named = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_cookie = name.trim().eq_ignore_ascii_case("cookie");
        is_cookie.then(|| value.trim())
    });
    match named {
        Some(value) => Ok(value),
        None if text.lines().nth(1).is_some() => Err(PasteError::Lines),
        None => Ok(text),
    }
}

/// A header, or a bare value.
fn of_line(line: &str) -> Result<String, PasteError> {
    let unquoted = line
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(line)
        .trim();
    if unquoted.is_empty() {
        return Err(PasteError::Empty);
    }
    // Browsers send cookies without a value too, which change nothing.
    let pairs: Vec<(&str, &str)> = unquoted
        .split(';')
        .filter_map(|part| part.trim().split_once('='))
        .filter(|(name, value)| is_pair(name, value))
        .collect();
    if !pairs.is_empty() {
        return Ok(of_pairs(&pairs));
    }
    let is_value = unquoted
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b";,\"\\".contains(&byte));
    is_value
        .then(|| unquoted.to_owned())
        .ok_or(PasteError::Characters)
}

/// The cookies of an extension's export. `None`: it is none.
fn exported(json: &Value) -> Option<Vec<Exported<'_>>> {
    match json {
        Value::Array(cookies) => cookies.iter().map(exported_one).collect(),
        Value::Object(members) => match members.get("cookies") {
            Some(Value::Array(cookies)) => cookies.iter().map(exported_one).collect(),
            Some(_) | None => by_name(members),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn exported_one(cookie: &Value) -> Option<Exported<'_>> {
    let text = |name| cookie.get(name).and_then(Value::as_str);
    Some(Exported {
        name: text("name")?,
        value: text("value")?,
        domain: text("domain").unwrap_or_default(),
    })
}

fn by_name(members: &Map<String, Value>) -> Option<Vec<Exported<'_>>> {
    let cookies = members.iter().map(|(name, value)| {
        Some(Exported {
            name,
            value: value.as_str()?,
            domain: "",
        })
    });
    cookies.collect()
}

/// A line of a `cookies.txt`: domain, whether hosts below are meant, path, whether TLS is wanted, expiry, name, value. Copying may
/// have made spaces of its tabs.
fn netscape_line(line: &str) -> Option<Exported<'_>> {
    let line = line.trim();
    let line = line.strip_prefix(HTTP_ONLY).unwrap_or(line);
    let mut fields = line.split_ascii_whitespace();
    let mut next = || fields.next();
    let domain = next()?;
    let is_flag = |field: &str| matches!(field, "TRUE" | "FALSE");
    let (below, path, tls, expiry) = (next()?, next()?, next()?, next()?);
    let (name, value) = (next()?, next().unwrap_or_default());
    let is_one = is_flag(below)
        && path.starts_with('/')
        && is_flag(tls)
        && expiry
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        && !domain.starts_with('#');
    is_one.then_some(Exported {
        name,
        value,
        domain,
    })
}

/// The header of those that fit a host; of two of one name, the first.
fn header_for(cookies: &[Exported<'_>], host: &str) -> Result<String, PasteError> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for cookie in cookies {
        if is_of_host(cookie.domain, host)
            && is_pair(cookie.name, cookie.value)
            && pairs.iter().all(|(name, _)| *name != cookie.name)
        {
            pairs.push((cookie.name, cookie.value));
        }
    }
    if !pairs.is_empty() {
        return Ok(of_pairs(&pairs));
    }
    let mut domains: Vec<&str> = cookies
        .iter()
        .map(|cookie| cookie.domain)
        .filter(|domain| !is_of_host(domain, host))
        .collect();
    domains.sort_unstable();
    domains.dedup();
    if domains.is_empty() {
        return Err(PasteError::Empty);
    }
    let is_cut = domains.len() > MAX_DOMAINS;
    domains.truncate(MAX_DOMAINS);
    Err(PasteError::OtherHosts {
        host: host.to_owned(),
        domains: domains.join(", ") + if is_cut { " and others" } else { "" },
    })
}

#[cfg(test)]
mod tests;
