//! `Set-Cookie` headers (RFC 6265, section 5.2), as far as they change what is sent to the upstream that sets them.

use std::time::SystemTime;

use super::cookie_header;

/// A cookie that an answer sets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SetCookie<'a> {
    pub(super) name: &'a str,
    /// `None`: it is taken away.
    pub(super) value: Option<&'a str>,
}

impl<'a> SetCookie<'a> {
    /// Reads a header of an answer from a host. `None`: it is malformed, or for another host.
    pub(super) fn read(header: &'a str, host: &str, now: SystemTime) -> Option<Self> {
        let mut parts = header.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let (mut max_age, mut is_expired) = (None, false);
        for attribute in parts {
            let (attribute, argument) = attribute.split_once('=').unwrap_or((attribute, ""));
            let argument = argument.trim();
            match attribute.trim().to_ascii_lowercase().as_str() {
                "domain" if !cookie_header::is_of_host(argument, host) => return None,
                "max-age" => max_age = argument.parse::<i64>().ok().or(max_age),
                "expires" => is_expired = date(argument).is_some_and(|date| date <= now),
                _ => {}
            }
        }
        let is_gone = max_age.map_or(is_expired, |seconds| seconds <= 0);
        // What is left of an empty value would not be sent.
        let value = (!is_gone && !cookie_header::is_empty(value)).then_some(value);
        cookie_header::is_pair(name, value.unwrap_or("-")).then_some(Self { name, value })
    }
}

/// A date, also in Netscape's form, which many servers still write: `Thu, 01-Jan-1970 00:00:00 GMT`.
fn date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text)
        .or_else(|_| httpdate::parse_http_date(&text.replace('-', " ")))
        .ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_cookie_is_set_taken_away_or_not_for_us() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let set = |name, value| Some(SetCookie { name, value });
        for (header, read) in [
            ("a=b", set("a", Some("b"))),
            (" a = b=c ; Path=/; HttpOnly", set("a", Some("b=c"))),
            ("a=b; Domain=example.org", set("a", Some("b"))),
            ("a=b; domain=.API.example.org", set("a", Some("b"))),
            ("a=b; Domain=other.org", None),
            ("a=b; Domain=x.api.example.org", None),
            ("a=b; Domain=", set("a", Some("b"))),
            ("a=b; Max-Age=60", set("a", Some("b"))),
            ("a=b; Max-Age=0", set("a", None)),
            ("a=; Max-Age=-1", set("a", None)),
            ("a=", set("a", None)),
            ("a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT", set("a", None)),
            ("a=b; Expires=Thu, 01-Jan-1970 00:00:00 GMT", set("a", None)),
            (
                "a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60",
                set("a", Some("b")),
            ),
            (
                "a=b; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
                set("a", Some("b")),
            ),
            ("a=b; Expires=soon; Max-Age=soon", set("a", Some("b"))),
            ("nothing", None),
            ("=b", None),
            ("a b=c", None),
            ("a=b\tc\u{e4}", None),
        ] {
            let cookie = SetCookie::read(header, "api.example.org", now);
            assert_eq!(cookie, read, "{header}");
        }
    }
}
