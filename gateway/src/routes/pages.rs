//! The operator's pages: static, open, and the same for everybody. What they show comes from the JSON endpoints, with the key that
//! they ask for.

use std::sync::LazyLock;

use axum::{body::Body, extract::Path, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::not_found;
use crate::error::ApiError;

/// The path of a part that pages load.
pub(super) const PART: &str = "/assets/{name}";

/// What a page may load: its own parts, and nothing of anybody else. No script or style stands in the page itself.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Headers of all files.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    // Asked for again each time, and answered with 304 while it is the same.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

/// A file that is compiled in.
struct File {
    name: &'static str,
    text: &'static str,
    etag: HeaderValue,
}

impl File {
    fn new(name: &'static str, text: &'static str) -> Self {
        let hash = blake3::hash(text.as_bytes()).to_hex();
        let etag = HeaderValue::try_from(format!("\"{}\"", &hash[..16]))
            .expect("hexadecimal digits may stand in a header");
        Self { name, text, etag }
    }

    fn media_type(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        }
    }

    fn response(&self, headers: &HeaderMap) -> Response {
        let is_known = headers
            .get(header::IF_NONE_MATCH)
            .and_then(|known| known.to_str().ok())
            .is_some_and(|known| known.split(',').any(|etag| is_same(etag, &self.etag)));
        let mut response = if is_known {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            Response::new(Body::from(Bytes::from_static(self.text.as_bytes())))
        };
        let headers = response.headers_mut();
        headers.extend(HEADERS);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(self.media_type()),
        );
        headers.insert(header::ETAG, self.etag.clone());
        response
    }
}

/// Whether an entry of `If-None-Match` is this tag; a proxy that compresses makes it a weak one.
fn is_same(entry: &str, etag: &HeaderValue) -> bool {
    let entry = entry.trim();
    entry == "*" || entry.strip_prefix("W/").unwrap_or(entry) == etag
}

/// Makes [`File`]s of what lies in `gateway/assets`.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        LazyLock::new(|| vec![$(File::new($name, include_str!(concat!("../../assets/", $name)))),*])
    };
}

static COOKIE_PAGE: LazyLock<File> =
    LazyLock::new(|| File::new("cookie.html", include_str!("../../assets/cookie.html")));

static DASHBOARD_PAGE: LazyLock<File> = LazyLock::new(|| {
    File::new(
        "dashboard.html",
        include_str!("../../assets/dashboard.html"),
    )
});

static KEY_PAGE: LazyLock<File> =
    LazyLock::new(|| File::new("key.html", include_str!("../../assets/key.html")));

static PARTS: LazyLock<Vec<File>> = files![
    "adding.js",
    "api.js",
    "attempt.js",
    "chart.js",
    "confirm.js",
    "connecting.js",
    "cookie.js",
    "cookie_words.js",
    "courses.js",
    "dashboard.css",
    "dashboard.js",
    "dashboard_words.js",
    "element.js",
    "errors.js",
    "figure_table.js",
    "first.js",
    "format.js",
    "i18n.js",
    "icon.svg",
    "key.js",
    "key_fields.js",
    "key_list.js",
    "key_making.js",
    "key_words.js",
    "keys.js",
    "live.js",
    "notices.js",
    "pool.js",
    "rows.js",
    "scale.js",
    "services.js",
    "split.js",
    "style.css",
    "tables.js",
    "tiles.js",
    "trace.js",
    "traces.js",
    "try_line.js",
    "waterfall.js",
    "words.js",
];

/// The page that shows what is going on.
pub(super) async fn dashboard(headers: HeaderMap) -> Response {
    DASHBOARD_PAGE.response(&headers)
}

/// The page that adds and shows cookies and upstreams.
pub(super) async fn cookie(headers: HeaderMap) -> Response {
    COOKIE_PAGE.response(&headers)
}

/// The page that makes and shows client keys.
pub(super) async fn key(headers: HeaderMap) -> Response {
    KEY_PAGE.response(&headers)
}

/// A part that pages load.
pub(super) async fn part(
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let file = PARTS.iter().find(|file| file.name == name);
    file.map(|file| file.response(&headers))
        .ok_or_else(|| ApiError(not_found::nothing_here(true)))
}
