//! The operator's pages.

use http::Method;
use llm2api_gateway::config::Config;
use llm2api_proto::{ContractError, v1::ErrorReason};

use crate::{
    fake_core::FakeCore,
    gateway::{TestGateway, config, request},
};

/// The pages. For each: its path, and the most bytes that it is with all that it loads, as written and as they travel, compressed as
/// browsers take it.
const PAGES: [(&str, usize, usize); 3] = [
    ("/", 150_000, 55_000),
    ("/cookie", 110_000, 40_000),
    ("/key", 110_000, 40_000),
];

/// The addresses that a page or a part of it loads. Where a link leads is not loaded.
fn parts(text: &str) -> Vec<String> {
    let text = text.replace("<a href=\"", "");
    ["href=\"", "src=\"", "from \"", "import(\""]
        .iter()
        .flat_map(|opening| text.split(opening).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .filter(|address| !address.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

async fn sent_bytes(gateway: &TestGateway, path: &str) -> usize {
    let headers = [("accept-encoding", "gzip")];
    let reply = gateway.send(request(Method::GET, path, &headers, "")).await;
    reply.body.len()
}

#[tokio::test]
async fn pages_are_open_static_and_small_and_load_nothing_of_others() {
    for (path, most_written, most_sent) in PAGES {
        is_open_static_and_small(path, most_written, most_sent).await;
    }
}

async fn is_open_static_and_small(path: &str, most_written: usize, most_sent: usize) {
    let core = FakeCore::default();
    core.refuses(ContractError::new(ErrorReason::InvalidApiKey, "no"));
    let gateway = TestGateway::start(core.service()).await;
    let page = gateway.get(path).await;
    assert_eq!(page.status, 200, "{path}");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let mut seen = Vec::new();
    let mut written = page.text().len();
    let mut sent = sent_bytes(&gateway, path).await;
    let mut waiting = parts(page.text());
    assert!(!waiting.is_empty());
    while let Some(part) = waiting.pop() {
        let name = part
            .trim_start_matches("./")
            .trim_start_matches("assets/")
            .to_owned();
        if seen.contains(&name) {
            continue;
        }
        assert!(
            !part.contains(':') && !part.starts_with('/'),
            "{part} is no relative address"
        );
        let reply = gateway.get(&format!("/assets/{name}")).await;
        assert_eq!(reply.status, 200, "{name}");
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-cache"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(reply.header(header), Some(value), "{name}");
        }
        assert_eq!(
            reply.header("content-security-policy"),
            page.header("content-security-policy"),
            "{name}"
        );
        let media_type = match name.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(reply.header("content-type"), Some(media_type), "{name}");
        written += reply.text().len();
        sent += sent_bytes(&gateway, &format!("/assets/{name}")).await;
        waiting.extend(parts(reply.text()));
        seen.push(name);
    }
    assert!(written <= most_written, "{path} has {written} bytes");
    assert!(sent <= most_sent, "{path} sends {sent} bytes");
    assert_eq!(core.checks(), [], "a page needs no key");
    assert_eq!(
        page.header("content-security-policy"),
        Some(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    );
}

#[tokio::test]
async fn a_page_that_a_browser_has_is_not_sent_again() {
    let gateway = TestGateway::start(FakeCore::default().service()).await;
    for path in ["/", "/cookie", "/assets/style.css"] {
        let etag = gateway.get(path).await.header("etag").unwrap().to_owned();
        let ask = async |known: &str| {
            let headers = [("if-none-match", known)];
            gateway.send(request(Method::GET, path, &headers, "")).await
        };
        for known in [etag.clone(), format!("W/{etag}"), format!("\"a\", {etag}")] {
            let reply = ask(&known).await;
            assert_eq!((reply.status.as_u16(), reply.text()), (304, ""), "{known}");
            assert_eq!(reply.header("etag"), Some(etag.as_str()));
        }
        assert_eq!(ask("\"another\"").await.status, 200);
    }
}

#[tokio::test]
async fn pages_lie_under_the_prefix_and_only_there() {
    let config = Config {
        api_path: Some("x".to_owned()),
        ..config()
    };
    let gateway = TestGateway::with(config, FakeCore::default().service()).await;
    for path in ["/", "/cookie", "/assets/style.css"] {
        assert_eq!(gateway.get(&format!("/x{path}")).await.status, 200);
        assert_eq!(gateway.get(path).await.status, 404);
    }
}

#[tokio::test]
async fn there_is_no_other_part() {
    let gateway = TestGateway::start(FakeCore::default().service()).await;
    for path in ["/assets/none.js", "/assets/..%2fCargo.toml", "/assets/"] {
        let reply = gateway.get(path).await;
        assert_eq!(
            reply.error(),
            (404, Some("unknown_url".to_owned())),
            "{path}"
        );
    }
}
