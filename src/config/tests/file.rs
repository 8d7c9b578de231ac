//! The TOML file.

use std::{fs, path::Path};

use llm2api_core::config::UpstreamKind;

use super::{TestFile, environment, lines, load, shown};
use crate::config::Configuration;

#[test]
fn the_file_gives_settings_and_variables_win() {
    let file = TestFile::new(
        r#"
        idle_timeout = 90
        api_key = ["sk-one", "sk-two"]
        cors_origins = ["https://a.example"]
        trusted_proxies = ["10.0.0.0/8", "::1"]
        retry_attempts = 5
        listen = "127.0.0.1:7000"

        [model_aliases]
        "gpt-4o" = "qwen3"
        "#,
    );
    let configuration = file.load(&[("RETRY_ATTEMPTS", "2"), ("PORT", "8080")]);
    let key = |key: &str| format!("{}: {key}", file.path.display());
    assert_eq!(
        shown(&configuration, "IDLE_TIMEOUT"),
        ("90".to_owned(), key("idle_timeout"))
    );
    assert_eq!(
        shown(&configuration, "API_KEY"),
        ("****".to_owned(), key("api_key"))
    );
    assert_eq!(
        shown(&configuration, "CORS_ORIGINS"),
        ("https://a.example".to_owned(), key("cors_origins"))
    );
    assert_eq!(
        shown(&configuration, "TRUSTED_PROXIES"),
        ("10.0.0.0/8,::1".to_owned(), key("trusted_proxies"))
    );
    assert_eq!(
        shown(&configuration, "MODEL_ALIASES"),
        ("gpt-4o=qwen3".to_owned(), key("model_aliases"))
    );
    assert_eq!(
        shown(&configuration, "RETRY_ATTEMPTS"),
        ("2".to_owned(), "RETRY_ATTEMPTS".to_owned())
    );
    assert_eq!(
        shown(&configuration, "CONFIG"),
        (file.path.display().to_string(), "--config".to_owned())
    );
    assert_eq!(configuration.settings.listen.to_string(), "127.0.0.1:8080");
}

#[test]
fn a_variable_names_the_file_and_the_option_wins() {
    let named = TestFile::new("log_format = \"json\"");
    let path = named.path.to_str().unwrap();
    assert_eq!(shown(&load(&[("CONFIG", path)]), "LOG_FORMAT").0, "json");
    let other = TestFile::new("");
    assert_eq!(
        shown(&other.load(&[("CONFIG", path)]), "LOG_FORMAT").0,
        "text"
    );
}

#[test]
fn a_file_that_is_not_there_is_named_with_what_named_it() {
    let environment = environment(&[("LLM2API_CONFIG", "/nowhere/a.toml")]);
    assert_eq!(
        lines(Configuration::load(&environment, None)),
        ["LLM2API_CONFIG: can't read /nowhere/a.toml: No such file or directory (os error 2)"]
    );
    assert_eq!(
        lines(Configuration::load(
            &environment,
            Some(Path::new("/nowhere/b.toml"))
        )),
        ["--config: can't read /nowhere/b.toml: No such file or directory (os error 2)"]
    );
}

#[test]
fn a_file_that_is_not_toml_is_named_with_the_line() {
    let file = TestFile::new("log = \"info\"\nlisten = = 1\n");
    let problems = file.problems(&[]);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].starts_with("llm2api.toml, line 2: "),
        "{problems:?}"
    );
}

#[test]
fn unknown_keys_and_wrong_values_are_told_all_at_once() {
    let file = TestFile::new(
        r#"
        listn = "0.0.0.0:1"
        Listen = "0.0.0.0:1"
        config = "other.toml"
        keepalive = 1.5
        runtime = ["shared"]
        searxng_url = "off"

        [[upstreams]]
        url = "ftp://a"
        propagate_traces = true
        weight = -1

        [[upstreams]]
        name = "b"
        "#,
    );
    assert_eq!(
        file.problems(&[]),
        [
            "llm2api.toml: Listen: unknown setting; `llm2api serve --help` lists all",
            "llm2api.toml: config: the file can't name another file",
            "llm2api.toml: listn: unknown setting; did you mean listen?",
            "llm2api.toml: keepalive: the value is not what it takes: a duration above zero and of at most a year: 500ms, 30s, 5m, 1h; a bare number is seconds",
            "llm2api.toml: runtime: the value is not what it takes: per-core or shared",
            "llm2api.toml: upstreams[0].propagate_traces: unknown key; there are name, kind, url, api_key, cookies, models, aliases, priority, weight, cooldown, breaker, proxy, first_token_timeout, idle_timeout, web_search, propagate_trace, cookie_name, origin, headers",
            "llm2api.toml: upstreams[0].url: “ftp://a” is not what it takes: an http:// or https:// address: https://api.example.org/v1",
            "llm2api.toml: upstreams[0].weight: “-1” is not what it takes: a whole number, 0 or more",
            "llm2api.toml: upstreams[1].url: missing; every upstream needs it",
        ]
    );
}

#[test]
fn upstreams_have_all_that_a_variable_cannot_say() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(&secret, "sk-b").unwrap();
    let file = TestFile::new(&format!(
        r#"
        [[upstreams]]
        name = "vllm"
        kind = "openai"
        url = "http://10.0.0.5:8000/v1"
        api_key = "sk-a"
        models = ["qwen3"]
        aliases = {{ "gpt-4o" = "qwen3" }}
        priority = -1
        weight = 3
        cooldown = "off"
breaker = "off"
        proxy = "socks5h://127.0.0.1:1080"
        first_token_timeout = "10s"
        idle_timeout = 20
        web_search = "upstream"

        [[upstreams]]
        name = "hosted"
        url = "https://api.example.org"
        api_key_file = "{}"

        [models.fast]
        targets = ["vllm/qwen3", "hosted/org/qwen3", "default/a"]
        "#,
        secret.path().display()
    ));
    let configuration = file.load(&[("UPSTREAM_URL", "http://localhost:8080/")]);
    let shown: Vec<_> = configuration
        .upstreams
        .iter()
        .map(|upstream| format!("{upstream:?}"))
        .collect();
    let key = "Some(SecretBox<str>([REDACTED]))";
    let chat_ui = "ChatUiConfig { cookie_name: \"hf-chat\", origin: None, headers: {} }";
    let url = |text: &str| format!("{:?}", url::Url::parse(text).unwrap());
    assert_eq!(
        shown,
        [
            format!(
                "UpstreamConfig {{ name: \"default\", kind: Auto, url: {}, api_key: None, cookies: [], added_cookies: [], models: None, aliases: {{}}, priority: 0, weight: 1, cooldown: None, has_breaker: true, proxy: None, first_token_timeout: None, idle_timeout: None, web_search: Ours, propagate_trace: None, chat_ui: {chat_ui} }}",
                url("http://localhost:8080/")
            ),
            format!(
                "UpstreamConfig {{ name: \"vllm\", kind: OpenAi, url: {}, api_key: {key}, cookies: [], added_cookies: [], models: Some([\"qwen3\"]), aliases: {{\"gpt-4o\": \"qwen3\"}}, priority: -1, weight: 3, cooldown: Some(Off), has_breaker: false, proxy: Some({}), first_token_timeout: Some(10s), idle_timeout: Some(20s), web_search: Upstream, propagate_trace: None, chat_ui: {chat_ui} }}",
                url("http://10.0.0.5:8000/v1"),
                url("socks5h://127.0.0.1:1080")
            ),
            format!(
                "UpstreamConfig {{ name: \"hosted\", kind: Auto, url: {}, api_key: {key}, cookies: [], added_cookies: [], models: None, aliases: {{}}, priority: 0, weight: 1, cooldown: None, has_breaker: true, proxy: None, first_token_timeout: None, idle_timeout: None, web_search: Ours, propagate_trace: None, chat_ui: {chat_ui} }}",
                url("https://api.example.org")
            ),
        ]
    );
    assert_eq!(
        configuration.models,
        [(
            "fast".to_owned(),
            vec![
                "vllm/qwen3".to_owned(),
                "hosted/org/qwen3".to_owned(),
                "default/a".to_owned()
            ]
        )]
        .into()
    );
}

#[test]
fn a_chat_ui_is_told_how_it_was_set_up() {
    let file = TestFile::new(
        r#"
        [[upstreams]]
        name = "chat"
        kind = "chat-ui"
        url = "http://10.0.0.5/chat"
        cookies = ["0f9c-2d6e", "session=1; token=2"]
        cookie_name = "session"
        origin = "https://chat.example.org"
        headers = { "X-Email" = "me@example.org" }
        "#,
    );
    let upstream = file.load(&[]).upstreams.remove(0);
    assert_eq!(
        (upstream.kind, upstream.cookies.len()),
        (UpstreamKind::ChatUi, 2)
    );
    assert_eq!(
        format!("{:?}", upstream.chat_ui),
        format!(
            "ChatUiConfig {{ cookie_name: \"session\", origin: Some({:?}), headers: {{\"x-email\": Sensitive}} }}",
            url::Url::parse("https://chat.example.org").unwrap()
        )
    );
    let file = TestFile::new(
        r#"
        [[upstreams]]
        name = "chat"
        url = "http://a"
        cookies = [""]
        cookie_name = "a b"
        headers = { "Cookie" = "a=b" }
        "#,
    );
    assert_eq!(file.problems(&[]).len(), 3);
}

#[test]
fn a_name_used_twice_stops_the_start() {
    let file = TestFile::new("[[upstreams]]\nname = \"default\"\nurl = \"http://a\"\n");
    assert_eq!(
        file.problems(&[("UPSTREAM_URL", "http://b")]),
        [
            "upstream default: two upstreams have this name (UPSTREAM_URL's is called by UPSTREAM_NAME); rename one"
        ]
    );
    assert_eq!(file.load(&[]).upstreams.len(), 1);
}

#[test]
fn models_need_targets_at_known_upstreams() {
    let file = TestFile::new(
        r#"
        [[upstreams]]
        name = "a"
        url = "http://a"

        [models.fast]
        targets = ["b/qwen3", "a/"]

        [models.slow]
        order = 1

        [models."org/none"]
        targets = []
        "#,
    );
    assert_eq!(
        file.problems(&[]),
        [
            "llm2api.toml: models.fast.targets: “b/qwen3” does not begin with the name of an upstream, as in vllm/qwen3",
            "llm2api.toml: models.fast.targets: “a/” does not begin with the name of an upstream, as in vllm/qwen3",
            "llm2api.toml: models.org/none.targets: the value is not what it takes: names of models, at least one: [\"qwen3\", \"llama3\"]",
            "llm2api.toml: models.slow.order: unknown key; there are targets",
            "llm2api.toml: models.slow.targets: missing; takes names such as [\"vllm/qwen3\"]",
        ]
    );
}

#[test]
fn keys_of_the_wrong_shape_are_told_with_the_right_one() {
    let file = TestFile::new("models = 1\n[upstreams]\nname = \"a\"\n");
    assert_eq!(
        file.problems(&[]),
        ["llm2api.toml: upstreams: takes tables, each under a line [[upstreams]]"]
    );
    let file = TestFile::new("models = 1\n");
    assert_eq!(
        file.problems(&[]),
        ["llm2api.toml: models: takes tables, each under a line [models.NAME]"]
    );
}
