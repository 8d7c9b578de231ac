//! What each type of setting takes and refuses.

use std::time::Duration;

use llm2api_core::config::Cooldown;
use llm2api_gateway::config::CorsOrigins;
use secrecy::ExposeSecret;
use tracing::Level;

use super::{load, problems};
use crate::config::{
    ClientKeys, GrpcListen, Role,
    value::{
        Aliases, ApiPath, ByteSize, CoreUrls, LogFilter, Origins, PeerNetworks, PositiveDuration,
        ProxyUrl, SettingValue, UpstreamName,
    },
};

fn read<T: SettingValue>(text: &str) -> Option<T> {
    T::from_text(text)
}

#[test]
fn durations_have_units_and_bare_numbers_are_seconds() {
    for (text, ms) in [
        ("500ms", 500),
        ("30s", 30_000),
        ("30", 30_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("1d", 86_400_000),
        ("5 m", 300_000),
        ("0", 0),
    ] {
        assert_eq!(
            read::<Duration>(text),
            Some(Duration::from_millis(ms)),
            "{text}"
        );
    }
    for text in [
        "s",
        "-1",
        "1.5s",
        "5x",
        "1m30s",
        "366d",
        "99999999999999999999s",
        "١s",
    ] {
        assert_eq!(read::<Duration>(text), None, "{text}");
    }
    assert_eq!(read::<PositiveDuration>("0s"), None);
    assert_eq!(read::<Cooldown>("off"), Some(Cooldown::Off));
    assert_eq!(
        read::<Cooldown>("2m"),
        Some(Cooldown::For(Duration::from_mins(2)))
    );
}

#[test]
fn sizes_have_decimal_and_binary_units() {
    for (text, bytes) in [
        ("1", 1),
        ("100B", 100),
        ("512KiB", 524_288),
        ("32MiB", 33_554_432),
        ("32mib", 33_554_432),
        ("32MB", 32_000_000),
        ("1 GiB", 1_073_741_824),
    ] {
        assert_eq!(read::<ByteSize>(text), Some(ByteSize(bytes)), "{text}");
    }
    for text in ["0", "MiB", "32M", "2GiB", "-1", "1.5MiB"] {
        assert_eq!(read::<ByteSize>(text), None, "{text}");
    }
}

#[test]
fn paths_lose_the_slashes_at_their_ends() {
    for text in ["x", "/x", "/x/", "x/"] {
        assert_eq!(
            read::<ApiPath>(text),
            Some(ApiPath(Some("x".to_owned()))),
            "{text}"
        );
    }
    assert_eq!(
        read::<ApiPath>("/a/b-1._~/"),
        Some(ApiPath(Some("a/b-1._~".to_owned())))
    );
    assert_eq!(read::<ApiPath>("/"), Some(ApiPath(None)));
    for text in ["//x", "a//b", "a/../b", ".", "a b", "a%20b", "ä", "a?b"] {
        assert_eq!(read::<ApiPath>(text), None, "{text}");
    }
}

#[test]
fn upstreams_are_named_by_small_letters_digits_and_hyphens() {
    let longest = "a".repeat(32);
    for text in ["a", "vllm-2", &longest] {
        assert_eq!(
            read::<UpstreamName>(text),
            Some(UpstreamName(text.to_owned()))
        );
    }
    for text in ["A", "a b", "a/b", "a_b", &"a".repeat(33)] {
        assert_eq!(read::<UpstreamName>(text), None, "{text}");
    }
}

#[test]
fn trusted_proxies_are_addresses_and_networks() {
    let PeerNetworks(networks) =
        read::<PeerNetworks>("10.0.0.1, 172.16.0.0/12,2001:db8::/32").unwrap();
    let shown: Vec<_> = networks.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["10.0.0.1/32", "172.16.0.0/12", "2001:db8::/32"]);
    assert_eq!(read::<PeerNetworks>("10.0.0.1,proxy.example.org"), None);
}

#[test]
fn origins_are_written_as_browsers_send_them() {
    assert!(matches!(
        read::<Origins>("*"),
        Some(Origins(CorsOrigins::Any))
    ));
    let Some(Origins(CorsOrigins::List(origins))) =
        read::<Origins>("https://Chat.example.org/, http://localhost:3000,https://a.example:443")
    else {
        panic!("a list");
    };
    assert_eq!(
        origins,
        [
            "https://chat.example.org",
            "http://localhost:3000",
            "https://a.example"
        ]
    );
    for text in [
        "chat.example.org",
        "https://a.example/path",
        "*,https://a",
        "null",
    ] {
        assert!(read::<Origins>(text).is_none(), "{text}");
    }
}

#[test]
fn aliases_are_pairs_each_once() {
    let pairs = [("gpt-4o", "meta/llama=3"), ("fast", "qwen3")];
    assert_eq!(
        read::<Aliases>("gpt-4o=meta/llama=3, fast = qwen3,"),
        Some(Aliases(
            pairs
                .iter()
                .map(|(alias, model)| ((*alias).to_owned(), (*model).to_owned()))
                .collect()
        ))
    );
    for text in ["a", "a=", "=b", "a=b,a=c"] {
        assert_eq!(read::<Aliases>(text), None, "{text}");
    }
}

#[test]
fn proxies_have_one_of_four_schemes_or_none() {
    for (text, url) in [
        ("socks5h://127.0.0.1:1080", "socks5h://127.0.0.1:1080"),
        ("https://proxy.example.org", "https://proxy.example.org/"),
        ("proxy:3128", "http://proxy:3128/"),
        ("user:pass@proxy:3128", "http://user:pass@proxy:3128/"),
    ] {
        let ProxyUrl(read) = read::<ProxyUrl>(text).unwrap();
        assert_eq!(read.as_str(), url);
    }
    for text in ["socks4://a:1", "ftp://a", "http://", "a b"] {
        assert_eq!(read::<ProxyUrl>(text), None, "{text}");
    }
}

#[test]
fn cores_are_http_addresses_in_order() {
    let CoreUrls(urls) = read::<CoreUrls>("http://a:50051, http://b:50051").unwrap();
    let shown: Vec<_> = urls.iter().map(|url| url.0.as_str()).collect();
    assert_eq!(shown, ["http://a:50051/", "http://b:50051/"]);
    for text in ["a:50051", "https://a", "http://a,b", ","] {
        assert_eq!(read::<CoreUrls>(text), None, "{text}");
    }
}

#[test]
fn client_keys_are_visible_ascii_or_off() {
    assert!(matches!(read::<ClientKeys>("OFF"), Some(ClientKeys::Off)));
    let Some(ClientKeys::Keys(keys)) = read::<ClientKeys>("sk-a,, sk-b") else {
        panic!("keys");
    };
    let keys: Vec<_> = keys.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(keys, ["sk-a", "sk-b"]);
    for text in ["sk a", "schlüssel", "sk-a,off", ","] {
        assert!(read::<ClientKeys>(text).is_none(), "{text}");
    }
}

#[test]
fn libraries_log_warnings_unless_named() {
    let LogFilter(filter) = read::<LogFilter>("debug,hyper=trace").unwrap();
    for (target, level, enabled) in [
        ("llm2api::run", Level::DEBUG, true),
        ("llm2api_core::chat", Level::DEBUG, true),
        ("llm2api::run", Level::TRACE, false),
        ("h2::server", Level::WARN, true),
        ("h2::server", Level::INFO, false),
        ("hyper::proto", Level::TRACE, true),
    ] {
        assert_eq!(
            filter.would_enable(target, &level),
            enabled,
            "{target} {level}"
        );
    }
    let LogFilter(errors) = read::<LogFilter>("error").unwrap();
    assert!(!errors.would_enable("h2", &Level::WARN));
    let LogFilter(named_only) = read::<LogFilter>("hyper=debug").unwrap();
    assert!(named_only.would_enable("llm2api", &Level::INFO));
    for text in [
        "loud",
        "info,hyper",
        "hyper=loud",
        "=debug",
        "info,hyper=debug=x",
    ] {
        assert_eq!(read::<LogFilter>(text), None, "{text}");
    }
}

#[test]
fn the_port_alone_changes_only_the_port() {
    let port = |variables: &[(&str, &str)]| load(variables).settings.listen.to_string();
    assert_eq!(port(&[("PORT", "8080")]), "0.0.0.0:8080");
    assert_eq!(
        port(&[("PORT", "8080"), ("LISTEN", "127.0.0.1:1")]),
        "127.0.0.1:1"
    );
    assert_eq!(
        load(&[("PORT", "8080"), ("LISTEN", "127.0.0.1:1")]).warnings,
        ["PORT has no effect, as LISTEN gives the whole address"]
    );
}

#[test]
fn each_role_has_its_own_grpc_address() {
    let default = load(&[]);
    let address = |role| {
        default
            .grpc_address(role)
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        address(Role::Serve),
        Ok(Some("127.0.0.1:50051".parse().unwrap()))
    );
    assert_eq!(
        address(Role::Core),
        Ok(Some("0.0.0.0:50051".parse().unwrap()))
    );
    assert_eq!(address(Role::Gateway), Ok(None));

    let off = load(&[("GRPC_LISTEN", "off")]);
    assert!(matches!(off.settings.grpc_listen, Some(GrpcListen::Off)));
    assert_eq!(off.grpc_address(Role::Serve), Ok(None));
    assert_eq!(
        off.grpc_address(Role::Core).unwrap_err().to_string(),
        "GRPC_LISTEN: a core alone has nothing but gRPC; set an address"
    );
}

#[test]
fn a_gateway_needs_a_core_and_a_key() {
    let nothing = load(&[("API_KEY", "off")]);
    assert_eq!(
        nothing.core_uris().unwrap_err().to_string(),
        "CORE_URL: missing; a gateway needs the core's gRPC address, such as http://10.0.0.5:50051"
    );
    assert_eq!(
        nothing.core_key().unwrap_err().to_string(),
        "CORE_KEY: missing; a gateway needs what proves it to the core: CORE_KEY, or the core's ADMIN_KEY or API_KEY"
    );
    for (variables, key) in [
        (&[("API_KEY", "one,two")][..], "one"),
        (&[("API_KEY", "one"), ("ADMIN_KEY", "admin")], "admin"),
        (&[("ADMIN_KEY", "admin"), ("CORE_KEY", "core")], "core"),
    ] {
        assert_eq!(load(variables).core_key().unwrap().expose_secret(), key);
    }
}

#[test]
fn settings_of_another_role_warn() {
    let both = load(&[
        ("CORE_URL", "http://10.0.0.5:50051"),
        ("UPSTREAM_URL", "http://10.0.0.6"),
    ]);
    for role in [Role::Serve, Role::Core] {
        assert_eq!(
            both.settings_in_vain(role),
            ["CORE_URL has no effect here: only `llm2api gateway` uses it"]
        );
    }
    assert_eq!(
        both.settings_in_vain(Role::Gateway),
        ["upstreams have no effect here: only the core uses them"]
    );
}

#[test]
fn every_wrong_value_is_told_in_one_line_with_what_is_taken() {
    assert_eq!(
        problems(&[
            ("LISTEN", "localhost"),
            ("PORT", "65536"),
            ("GRPC_LISTEN", "50051"),
            ("UPSTREAM_KIND", "gpt"),
            ("UPSTREAM_NAME", "My Server"),
            ("MODEL_ALIASES", "gpt-4o"),
            ("RETRY_ATTEMPTS", "0"),
            ("DRAIN_DELAY", "soon\nnow"),
            ("LLM2API_RUNTIME", "fast"),
            ("WORKERS", "0"),
            ("LOG_FORMAT", "xml"),
        ]),
        [
            "LISTEN: “localhost” is not what it takes: an IP address and port: 127.0.0.1:9999, [::]:9999",
            "PORT: “65536” is not what it takes: a port, 0 to 65535",
            "GRPC_LISTEN: “50051” is not what it takes: an IP address and port (127.0.0.1:50051), or off",
            "UPSTREAM_KIND: “gpt” is not what it takes: auto, openai or chat-ui",
            "UPSTREAM_NAME: “My Server” is not what it takes: a name of 1 to 32 letters a-z, digits and hyphens",
            "MODEL_ALIASES: “gpt-4o” is not what it takes: pairs ALIAS=MODEL, comma-separated, each alias once: gpt-4o=qwen3,fast=llama3",
            "RETRY_ATTEMPTS: “0” is not what it takes: a whole number, 1 or more",
            "DRAIN_DELAY: “soon\\nnow” is not what it takes: a duration of at most a year: 500ms, 30s, 5m, 1h; a bare number is seconds",
            "LLM2API_RUNTIME: “fast” is not what it takes: per-core or shared",
            "WORKERS: “0” is not what it takes: a whole number, 1 or more",
            "LOG_FORMAT: “xml” is not what it takes: text or json",
        ]
    );
}
