//! Keeps other origins' pages away from administration: a key in a browser must be of no use to them.

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Uri, header, uri::Authority};
use llm2api_proto::{ContractError, v1::ErrorReason};

use crate::error::ApiError;

/// Lets a request through unless a page of another origin makes it.
pub(super) async fn check(request: Request, next: Next) -> Response {
    if is_foreign(request.uri(), request.headers()) {
        return ApiError(ContractError::new(
            ErrorReason::InsufficientPermissions,
            "Pages of other origins may not administer; the header Origin is not this host's.",
        ))
        .into_response();
    }
    next.run(request).await
}

/// Whether the request comes from a page whose origin is not the host that is asked. Browsers tell both; other clients have no origin.
fn is_foreign(uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    if headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "same-origin")
    {
        return false;
    }
    // HTTP/2 has the host in the address.
    let host = uri.authority().cloned().or_else(|| {
        let host = headers.get(header::HOST)?;
        Authority::try_from(host.as_bytes()).ok()
    });
    let origin: Option<Uri> = Uri::try_from(origin.as_bytes()).ok();
    let (Some(host), Some(origin)) = (host, origin) else {
        return true;
    };
    let default_port = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return true,
    };
    let place = |authority: &Authority| {
        (
            authority.host().to_ascii_lowercase(),
            authority.port_u16().unwrap_or(default_port),
        )
    };
    origin
        .authority()
        .is_none_or(|authority| place(authority) != place(&host))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn foreign(uri: &'static str, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|&(name, value)| {
            (
                header::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        is_foreign(&Uri::from_static(uri), &headers.collect())
    }

    #[test]
    fn a_page_of_this_host_is_let_in_whoever_ends_its_encryption() {
        for (host, origin) in [
            ("a.example", "http://a.example"),
            ("a.example", "https://a.example"),
            ("a.example:443", "https://a.example"),
            ("a.example", "http://a.example:80"),
            ("A.example:9999", "http://a.EXAMPLE:9999"),
            ("[::1]:9999", "http://[::1]:9999"),
        ] {
            assert!(!foreign("/cookies", &[("host", host), ("origin", origin)]));
        }
        assert!(!foreign(
            "http://a.example/cookies",
            &[("origin", "http://a.example")]
        ));
        assert!(!foreign("/cookies", &[("host", "a.example")]));
    }

    #[test]
    fn any_other_page_is_kept_out() {
        for (host, origin) in [
            ("a.example", "http://b.example"),
            ("a.example", "http://a.example:8080"),
            ("a.example:80", "https://a.example"),
            ("a.example", "http://a.example.b.example"),
            ("a.example", "null"),
            ("a.example", "file://"),
            ("a.example", ""),
            ("", "http://a.example"),
        ] {
            let headers = [("host", host), ("origin", origin)];
            assert!(foreign("/cookies", &headers), "{origin} at {host}");
        }
        assert!(foreign("/cookies", &[("origin", "http://a.example")]));
    }

    #[test]
    fn a_browser_that_says_same_origin_is_believed() {
        let mut headers = vec![("host", "inside:9999"), ("origin", "https://a.example")];
        assert!(foreign("/cookies", &headers));
        headers.push(("sec-fetch-site", "same-origin"));
        assert!(!foreign("/cookies", &headers));
    }
}
