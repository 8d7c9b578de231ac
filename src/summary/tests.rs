//! Whole summaries, as people see them.

use llm2api_core::config::UpstreamKind;

use super::*;

fn facts() -> Facts {
    Facts {
        role: Role::Serve,
        http: Some("0.0.0.0:9999".parse().unwrap()),
        grpc: Some("127.0.0.1:50051".parse().unwrap()),
        api_path: ShownPath::None,
        clients: Clients::Private,
        admin_key: AdminKeyPlace::File("./data/admin.key".into()),
        sign_in_key: None,
        upstreams: Vec::new(),
        cores: Vec::new(),
        searched_at: vec!["http://searxng:8080/".to_owned()],
        config: None,
    }
}

fn upstream(name: &str, models: Result<Vec<&str>, &str>) -> UpstreamOverview {
    UpstreamOverview {
        name: name.to_owned(),
        kind: UpstreamKind::OpenAi,
        url: format!("http://{name}.example/v1"),
        models: models
            .map(|models| models.into_iter().map(str::to_owned).collect())
            .map_err(str::to_owned),
    }
}

/// The summary with the version left out, line by line.
fn lines(facts: &Facts) -> Vec<String> {
    text(facts)
        .replace(env!("CARGO_PKG_VERSION"), "VERSION")
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn without_an_upstream_it_names_the_line_to_set() {
    assert_eq!(
        lines(&facts()),
        [
            "",
            "llm2api VERSION",
            "  HTTP       http://127.0.0.1:9999/v1 (LISTEN 0.0.0.0:9999)",
            "  page       http://127.0.0.1:9999/cookie",
            "  gRPC       127.0.0.1:50051 (GRPC_LISTEN 127.0.0.1:50051)",
            "  clients    need no key from loopback and private addresses; others are refused until API_KEY is set",
            "  admin key  in ./data/admin.key; `llm2api key admin` shows it",
            "  search     the web, where asked to, at http://searxng:8080",
            "",
            "There is no upstream yet, so chats answer 503. Connect one on the page; or name one, or bring a model for this machine, and start again:",
            "  UPSTREAM_URL=https://api.example.org/v1 UPSTREAM_API_KEY=sk-… llm2api",
            "  llm2api model add FILE-or-URL && llm2api",
            "",
        ]
    );
}

#[test]
fn it_names_upstreams_their_models_and_a_request_to_try() {
    let summary = Facts {
        http: Some("[::]:80".parse().unwrap()),
        grpc: None,
        api_path: ShownPath::Plain("x/y".to_owned()),
        clients: Clients::Keys(2),
        admin_key: AdminKeyPlace::Setting("ADMIN_KEY"),
        upstreams: vec![
            upstream("down", Err("connection refused")),
            upstream("bare", Ok(Vec::new())),
            upstream("some", Ok(vec!["it's", "b"])),
            upstream("many", Ok(vec!["1", "2", "3", "4", "5", "6", "7"])),
        ],
        config: Some("llm2api.toml".into()),
        ..facts()
    };
    assert_eq!(
        lines(&summary),
        [
            "",
            "llm2api VERSION",
            "  HTTP       http://[::1]:80/x/y/v1 (LISTEN [::]:80)",
            "  page       http://[::1]:80/x/y/cookie",
            "  settings   llm2api.toml",
            "  clients    need one of the 2 keys in API_KEY",
            "  admin key  ADMIN_KEY",
            "  upstream   down (openai, http://down.example/v1): models not known: connection refused",
            "  upstream   bare (openai, http://bare.example/v1): lists no models",
            "  upstream   some (openai, http://some.example/v1): it's, b",
            "  upstream   many (openai, http://many.example/v1): 1, 2, 3, 4, 5 and 2 more",
            "  search     the web, where asked to, at http://searxng:8080",
            "",
            "Try it:",
            r#"  curl http://[::1]:80/x/y/v1/chat/completions -H "authorization: Bearer $API_KEY" -H 'content-type: application/json' -d '{"model":"it'\''s","messages":[{"role":"user","content":"Say hello"}]}'"#,
            "",
        ]
    );
}

#[test]
fn on_a_terminal_a_key_that_was_made_here_signs_in_by_a_link() {
    let summary = Facts {
        api_path: ShownPath::Plain("x".to_owned()),
        sign_in_key: Some("llm2api-admin-1".into()),
        ..facts()
    };
    assert_eq!(
        lines(&summary)[3],
        "  page       http://127.0.0.1:9999/x/cookie#key=llm2api-admin-1"
    );
}

#[test]
fn the_secret_path_is_masked_where_logs_are_kept() {
    let summary = Facts {
        api_path: ShownPath::Masked,
        clients: Clients::Keys(1),
        upstreams: vec![upstream("down", Err("not known yet"))],
        ..facts()
    };
    let shown: Vec<_> = lines(&summary)
        .into_iter()
        .filter(|line| line.contains("http://127"))
        .collect();
    assert_eq!(
        shown,
        [
            "  HTTP       http://127.0.0.1:9999/$API_PATH/v1 (LISTEN 0.0.0.0:9999)",
            "  page       http://127.0.0.1:9999/$API_PATH/cookie",
            r#"  curl http://127.0.0.1:9999/$API_PATH/v1/models -H "authorization: Bearer $API_KEY""#,
        ]
    );
}

#[test]
fn a_core_alone_is_asked_by_grpc() {
    let summary = Facts {
        role: Role::Core,
        http: None,
        grpc: Some("0.0.0.0:50051".parse().unwrap()),
        clients: Clients::Open,
        upstreams: vec![upstream("some", Ok(vec!["a"]))],
        ..facts()
    };
    assert_eq!(
        lines(&summary),
        [
            "",
            "llm2api VERSION",
            "  gRPC       127.0.0.1:50051 (GRPC_LISTEN 0.0.0.0:50051)",
            "  clients    need no key, whoever they are (API_KEY=off)",
            "  admin key  in ./data/admin.key; `llm2api key admin` shows it",
            "  upstream   some (openai, http://some.example/v1): a",
            "  search     the web, where asked to, at http://searxng:8080",
            "",
            "Try it:",
            "  LLM2API_URL=http://127.0.0.1:50051 llm2api chat \"Say hello\"",
            "",
        ]
    );
}

#[test]
fn a_gateway_alone_names_its_cores() {
    let summary = Facts {
        role: Role::Gateway,
        grpc: None,
        cores: vec!["http://a:50051/".to_owned(), "http://b:50051/".to_owned()],
        ..facts()
    };
    assert_eq!(
        lines(&summary),
        [
            "",
            "llm2api VERSION",
            "  HTTP       http://127.0.0.1:9999/v1 (LISTEN 0.0.0.0:9999)",
            "  page       http://127.0.0.1:9999/cookie",
            "  cores      http://a:50051/, http://b:50051/",
            "",
            "Try it:",
            "  curl http://127.0.0.1:9999/v1/models",
            "",
        ]
    );
}

#[test]
fn it_says_whose_server_searches_the_web() {
    let line = |addresses: &[&str]| {
        let addresses: Vec<_> = addresses.iter().map(|&text| text.to_owned()).collect();
        search_line(&addresses)
    };
    assert_eq!(line(&[]), "off (SEARXNG_URL=off)");
    assert_eq!(
        line(&["http://a:8080/", "http://b/"]),
        "the web, where asked to, at http://a:8080, http://b"
    );
    assert_eq!(
        line(&["https://sousuo.emoe.top/"]),
        "the web, where asked to, at https://sousuo.emoe.top; the default is a public server that somebody else runs, and may refuse (SEARXNG_URL)"
    );
}
