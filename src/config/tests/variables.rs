//! Names of variables, precedence, secrets in files.

use std::{fs, path::PathBuf};

use llm2api_core::config::SecretKeySource;
use secrecy::ExposeSecret;

use super::{load, problems, shown};
use crate::config::{AdminKey, ClientKeys};

#[test]
fn the_prefixed_variable_wins() {
    let configuration = load(&[("IDLE_TIMEOUT", "1s"), ("LLM2API_IDLE_TIMEOUT", "2s")]);
    assert_eq!(
        shown(&configuration, "IDLE_TIMEOUT"),
        ("2s".to_owned(), "LLM2API_IDLE_TIMEOUT".to_owned())
    );
}

#[test]
fn an_empty_variable_is_an_unset_one() {
    let configuration = load(&[
        ("IDLE_TIMEOUT", "1s"),
        ("LLM2API_IDLE_TIMEOUT", ""),
        ("KEEPALIVE", " "),
        ("LLM2API_NONSENSE", ""),
    ]);
    assert_eq!(
        shown(&configuration, "IDLE_TIMEOUT"),
        ("1s".to_owned(), "IDLE_TIMEOUT".to_owned())
    );
    assert_eq!(
        shown(&configuration, "KEEPALIVE"),
        ("15s".to_owned(), "default".to_owned())
    );
}

#[test]
fn what_kubernetes_sets_for_services_of_this_name_is_ignored() {
    let configuration = load(&[
        ("LLM2API_PORT", "tcp://10.3.1.7:80"),
        ("LLM2API_PORT_80_TCP", "tcp://10.3.1.7:80"),
        ("LLM2API_PORT_80_TCP_PROTO", "tcp"),
        ("LLM2API_PORT_80_TCP_PORT", "80"),
        ("LLM2API_PORT_80_TCP_ADDR", "10.3.1.7"),
        ("LLM2API_SERVICE_HOST", "10.3.1.7"),
        ("LLM2API_SERVICE_PORT", "80"),
        ("LLM2API_SERVICE_PORT_HTTP", "80"),
        ("LLM2API_GATEWAY_PORT", "tcp://10.3.1.8:80"),
        ("LLM2API_GATEWAY_PORT_80_TCP_ADDR", "10.3.1.8"),
        ("LLM2API_GATEWAY_SERVICE_HOST", "10.3.1.8"),
        ("PORT", "8080"),
    ]);
    assert_eq!(configuration.settings.listen.port(), 8080);
    assert_eq!(configuration.warnings, Vec::<String>::new());
}

#[test]
fn an_unknown_prefixed_variable_stops_the_start() {
    assert_eq!(
        problems(&[
            ("LLM2API_NONSENSE", "1"),
            ("LLM2API_LISTN", "0.0.0.0:1"),
            ("LLM2API_LLM2API_URL", "http://127.0.0.1:1"),
            ("LLM2API_LISTEN_FILE", "/a"),
        ]),
        [
            "LLM2API_LISTEN_FILE: unknown setting; `llm2api serve --help` lists all",
            "LLM2API_LISTN: unknown setting; did you mean LLM2API_LISTEN?",
            "LLM2API_LLM2API_URL: unknown setting; did you mean LLM2API_URL?",
            "LLM2API_NONSENSE: unknown setting; `llm2api serve --help` lists all",
        ]
    );
}

#[test]
fn a_variable_one_letter_from_a_setting_warns() {
    let configuration = load(&[
        ("API_KEYS", "a"),
        ("COOKIE", "b"),
        ("UPSTRAEM_URL", "c"),
        // Other programs' own.
        ("HOME", "/"),
        ("LOGS", "1"),
        ("PORTS", "1"),
        ("FTP_PROXY", "x"),
        ("SHELL", "x"),
    ]);
    assert_eq!(
        configuration.warnings,
        [
            "API_KEYS is set, but is no setting; did you mean API_KEY?",
            "COOKIE is set, but is no setting; did you mean COOKIES?",
            "UPSTRAEM_URL is set, but is no setting; did you mean UPSTREAM_URL?",
        ]
    );
}

#[test]
fn settings_of_later_versions_warn() {
    let configuration = load(&[
        ("TLS_CERT", "x"),
        ("API_KEY", "k"),
        ("API_PATH", "p"),
        ("LLM2API_TLS_KEY", "m"),
    ]);
    assert_eq!(
        configuration.warnings,
        [
            "LLM2API_TLS_KEY is set, but this version does not use it yet",
            "TLS_CERT is set, but this version does not use it yet",
        ]
    );
}

#[test]
fn cookies_are_added_to_the_first_upstream() {
    let cookies = (
        "COOKIES",
        "hf-chat=one||sk-two\n\nhf-chat=three; token=four",
    );
    let configuration = load(&[cookies, ("UPSTREAM_URL", "http://localhost:8080")]);
    let added: Vec<&str> = configuration.upstreams[0]
        .added_cookies
        .iter()
        .map(ExposeSecret::expose_secret)
        .collect();
    assert_eq!(
        added,
        ["hf-chat=one", "sk-two", "hf-chat=three; token=four"]
    );
    assert_eq!(
        shown(&configuration, "COOKIES"),
        ("****".to_owned(), "COOKIES".to_owned())
    );
    assert_eq!(
        load(&[cookies]).warnings,
        ["COOKIES has no effect without an upstream"]
    );
}

#[test]
fn a_secret_may_lie_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, "sk-secret\n").unwrap();
    let path = path.to_str().unwrap();
    let configuration = load(&[("ADMIN_KEY_FILE", path)]);
    let AdminKey::Given(key) = configuration.admin_key() else {
        panic!("{:?}", configuration.admin_key());
    };
    assert_eq!(key.expose_secret(), "sk-secret");
    assert_eq!(
        shown(&configuration, "ADMIN_KEY"),
        ("****".to_owned(), "ADMIN_KEY_FILE".to_owned())
    );
}

#[test]
fn a_secret_given_twice_or_in_no_readable_file_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::write(&empty, "\n").unwrap();
    let empty = empty.to_str().unwrap();
    assert_eq!(
        problems(&[
            ("ADMIN_KEY", "a"),
            ("ADMIN_KEY_FILE", "/a"),
            ("API_KEY_FILE", empty),
            ("LLM2API_CORE_KEY_FILE", "/nowhere/key"),
        ]),
        [
            "LLM2API_CORE_KEY_FILE: can't read /nowhere/key: No such file or directory (os error 2)"
                .to_owned(),
            format!("API_KEY_FILE: {empty} is empty"),
            "ADMIN_KEY: ADMIN_KEY_FILE is set too; set one of the two".to_owned(),
        ]
    );
}

#[test]
fn a_prefixed_secret_wins_over_an_unprefixed_file() {
    let configuration = load(&[("LLM2API_ADMIN_KEY", "a"), ("ADMIN_KEY_FILE", "/nowhere")]);
    assert_eq!(
        shown(&configuration, "ADMIN_KEY"),
        ("****".to_owned(), "LLM2API_ADMIN_KEY".to_owned())
    );
}

#[test]
fn the_customary_proxies_are_read_in_lower_case_too() {
    let configuration = load(&[
        ("https_proxy", "http://user:secret@10.0.0.1:3128"),
        ("HTTP_PROXY", "10.0.0.2:3128"),
        ("http_proxy", "10.0.0.3:3128"),
        ("no_proxy", "localhost,.example.org"),
        ("upstream_proxy", "http://ignored"),
        ("api_key", "ignored"),
    ]);
    let core = configuration.core("admin".into(), 1);
    assert_eq!(
        format!("{:?}", core.proxies),
        format!(
            "{:?}",
            llm2api_core::config::EgressProxies {
                upstream: None,
                https: Some("http://user:secret@10.0.0.1:3128".parse().unwrap()),
                http: Some("http://10.0.0.2:3128".parse().unwrap()),
                all: None,
                no_proxy: Some("localhost,.example.org".to_owned()),
            }
        )
    );
    assert_eq!(
        shown(&configuration, "HTTPS_PROXY"),
        (
            "http://****@10.0.0.1:3128".to_owned(),
            "https_proxy".to_owned()
        )
    );
    assert!(configuration.settings.api_key.is_none());
}

#[test]
fn secrets_and_the_secret_path_are_masked() {
    let configuration = load(&[
        ("API_KEY", "sk-one,sk-two"),
        ("CORE_KEY", "sk-core"),
        ("UPSTREAM_API_KEY", "sk-up"),
        ("UPSTREAM_URL", "https://me:sk-url@api.example.org/v1"),
        ("API_PATH", "/sk-path/"),
        ("CORE_URL", "http://me:sk-a@a:1,http://b:2"),
    ]);
    let values: Vec<_> = configuration
        .effective
        .iter()
        .map(|effective| effective.value.as_str())
        .collect();
    assert!(!values.concat().contains("sk-"), "{values:?}");
    assert_eq!(
        shown(&configuration, "UPSTREAM_URL").0,
        "https://****@api.example.org/v1"
    );
    assert_eq!(
        shown(&configuration, "CORE_URL").0,
        "http://****@a:1,http://b:2"
    );
    let debug = format!("{configuration:?}");
    for secret in ["sk-one", "sk-two", "sk-core", "sk-up"] {
        assert!(!debug.contains(secret));
    }
}

#[test]
fn wrong_secrets_are_not_quoted() {
    assert_eq!(
        problems(&[
            ("API_KEY", "sk-a b"),
            ("UPSTREAM_URL", "me:sk-url@host"),
            ("API_PATH", "sk-päth"),
        ]),
        [
            "API_KEY: the value is not what it takes: keys of visible ASCII characters, comma-separated, or off",
            "API_PATH: “****” is not what it takes: a path of one or more segments of letters, digits and - . _ ~, which are not . or ..",
            "UPSTREAM_URL: “****@host” is not what it takes: an http:// or https:// address: https://api.example.org/v1",
        ]
    );
}

#[test]
fn administration_takes_the_first_client_key_unless_there_is_none() {
    let first = load(&[("API_KEY", "sk-one, sk-two")]);
    assert!(matches!(
        first.admin_key(),
        AdminKey::FirstClientKey(key) if key.expose_secret() == "sk-one"
    ));
    let given = load(&[("API_KEY", "sk-one"), ("ADMIN_KEY", "sk-admin")]);
    assert!(matches!(
        given.admin_key(),
        AdminKey::Given(key) if key.expose_secret() == "sk-admin"
    ));
    let off = load(&[("API_KEY", "off")]);
    assert!(matches!(off.settings.api_key, Some(ClientKeys::Off)));
    assert!(matches!(off.admin_key(), AdminKey::InDataDir));
    assert_eq!(shown(&off, "API_KEY").0, "off");
    assert!(matches!(load(&[]).admin_key(), AdminKey::InDataDir));
}

#[test]
fn settings_without_an_upstream_to_apply_to_warn() {
    assert_eq!(
        load(&[("LLM2API_UPSTREAM_API_KEY", "sk-a")]).warnings,
        ["LLM2API_UPSTREAM_API_KEY has no effect without UPSTREAM_URL"]
    );
}

#[test]
fn the_store_is_in_data_dir_unless_settings_say_otherwise() {
    let store = load(&[("DATA_DIR", "/var/d")]).store();
    assert_eq!(store.file, PathBuf::from("/var/d/llm2api.db"));
    let SecretKeySource::File(key) = store.secret_key else {
        panic!("no key was given");
    };
    assert_eq!(key, PathBuf::from("/var/d/secret.key"));

    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    for (url, file) in [
        ("sqlite:a/b.db", "a/b.db"),
        ("sqlite://a/b.db", "a/b.db"),
        ("sqlite:/a/b.db", "/a/b.db"),
        ("sqlite:///a/b.db", "/a/b.db"),
    ] {
        let store = load(&[("DATABASE_URL", url), ("SECRET_KEY", key)]).store();
        assert_eq!(store.file, PathBuf::from(file), "{url}");
        assert!(matches!(store.secret_key, SecretKeySource::Given(_)));
    }
}

#[test]
fn another_database_stops_the_start_and_its_password_is_not_shown() {
    let takes = "sqlite:PATH, such as sqlite:/var/lib/llm2api/llm2api.db; where DATABASE_URL is meant for another program, LLM2API_DATABASE_URL wins";
    for (url, shown) in [
        ("postgres://me:secret@db/mine", "postgres:****"),
        ("secret", "****"),
        ("sqlite::memory:", "sqlite::memory:"),
        ("sqlite:", "sqlite:"),
        ("sqlite:a.db?mode=ro", "sqlite:a.db?mode=ro"),
    ] {
        assert_eq!(
            problems(&[("DATABASE_URL", url)]),
            [format!(
                "DATABASE_URL: “{shown}” is not what it takes: {takes}"
            )]
        );
    }
    let both = [
        ("DATABASE_URL", "postgres://me:secret@db/mine"),
        ("LLM2API_DATABASE_URL", "sqlite:mine.db"),
    ];
    assert_eq!(load(&both).store().file, PathBuf::from("mine.db"));
}

#[test]
fn a_secret_key_of_another_size_stops_the_start() {
    let takes = "the value is not what it takes: 32 bytes in base64, as `openssl rand -base64 32` makes them";
    for key in [
        "secret",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v",
    ] {
        assert_eq!(
            problems(&[("SECRET_KEY", key)]),
            [format!("SECRET_KEY: {takes}")]
        );
    }
}
