//! Challenges: pages by which a service makes sure that a person asks.

use http::{HeaderMap, HeaderValue, StatusCode};

use super::media_type::MediaType;

/// How Cloudflare marks its challenges (its documentation, "Detect a challenge page response").
const HEADER: &str = "cf-mitigated";

/// What is in the pages themselves, which proxies pass on without the header.
const MARKS: [&str; 4] = [
    "/cdn-cgi/challenge-platform/",
    "_cf_chl_opt",
    "cf-chl-",
    "<title>Just a moment...</title>",
];

/// Bytes of a page in which the marks are.
const MAX_SIZE: usize = 64 * 1024;

/// Whether an answer is a challenge.
pub(super) fn is_one(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool {
    if !matches!(status.as_u16(), 403 | 429 | 503) {
        return false;
    }
    if headers.get(HEADER).map(HeaderValue::as_bytes) == Some(b"challenge") {
        return true;
    }
    if MediaType::of(headers) != MediaType::Html {
        return false;
    }
    let page = String::from_utf8_lossy(&body[..body.len().min(MAX_SIZE)]);
    MARKS.iter().any(|mark| page.contains(mark))
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;

    #[test]
    fn a_challenge_is_known_by_its_header_or_its_page() {
        let html = [(CONTENT_TYPE, "text/html; charset=UTF-8")];
        let json = [(CONTENT_TYPE, "application/json")];
        let marked = [(HEADER.parse().expect("a name"), "challenge")];
        let page = "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>";
        let script = "<html><script>window._cf_chl_opt = {}</script></html>";
        for (status, headers, body, is_so) in [
            (403, marked.clone(), "", true),
            (503, marked.clone(), "", true),
            (200, marked, "", false),
            (403, html.clone(), page, true),
            (429, html.clone(), script, true),
            (403, html.clone(), "<html>Forbidden</html>", false),
            (404, html, page, false),
            (403, json, page, false),
        ] {
            let headers: HeaderMap = headers
                .into_iter()
                .map(|(name, value)| (name, HeaderValue::from_static(value)))
                .collect();
            let status = StatusCode::from_u16(status).expect("a status");
            let found = is_one(status, &headers, body.as_bytes());
            assert_eq!(found, is_so, "{status} {headers:?} {body}");
        }
    }
}
