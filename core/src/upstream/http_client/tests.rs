mod tls;

use std::{collections::BTreeMap, num::NonZeroU32, path::PathBuf, time::Duration};

use url::Url;

use super::{AddressError, HttpClients};
use crate::{
    config::{
        AccessConfig, ClientAccess, Clocks, Config, EgressProxies, MetricsAccess, PoolConfig,
        SearchConfig, SecretKeySource, StoreConfig, TelemetryConfig, UpstreamConfig, UpstreamKind,
    },
    runtime,
};

/// A configuration in which nothing is special.
pub(in super::super) fn config() -> Config {
    let clock = Duration::from_secs(5);
    Config {
        upstreams: Vec::new(),
        models: BTreeMap::new(),
        aliases: BTreeMap::new(),
        fallback_model: None,
        retry_attempts: NonZeroU32::MIN,
        clocks: Clocks {
            connect: clock,
            first_token: clock,
            idle: clock,
            request: clock,
        },
        cooldown: Duration::from_secs(60),
        pool: PoolConfig {
            concurrency: None,
            requests_per_minute: None,
            lease_wait: clock,
            check_interval: clock,
        },
        max_body_bytes: 1 << 20,
        proxies: EgressProxies::default(),
        runtime_count: 1,
        access: AccessConfig {
            clients: ClientAccess::Open,
            admin_key: "admin".to_owned().into(),
            core_key: None,
            metrics: MetricsAccess::Nobody,
        },
        store: StoreConfig {
            file: PathBuf::new(),
            secret_key: SecretKeySource::File(PathBuf::new()),
        },
        search: SearchConfig::of_instances(Vec::new()),
        telemetry: TelemetryConfig::default(),
        authorization: crate::config::AuthorizationConfig::default(),
    }
}

/// An upstream at an address, in which nothing else is special.
pub(in super::super) fn upstream_at(url: &str) -> UpstreamConfig {
    UpstreamConfig::new("up", UpstreamKind::OpenAi, Url::parse(url).expect("valid"))
}

#[test]
fn a_wrong_address_is_known_at_the_start() {
    for url in ["ftp://h/v1", "unix:/run/llm.sock", "data:,x"] {
        let refused = HttpClients::new(&upstream_at(url), &config());
        assert!(matches!(refused, Err(AddressError::Url)), "{url}");
    }
}

#[test]
fn an_upstream_is_named_by_host_and_port_alone() {
    let table = [
        ("http://jane:pass@h/v1?key=x", "h:80"),
        ("https://h", "h:443"),
        ("http://[::1]:8000", "[::1]:8000"),
    ];
    for (url, address) in table {
        assert_eq!(super::address(&Url::parse(url).expect("valid")), address);
    }
}

#[test]
fn each_runtime_has_a_client_of_its_own() {
    let general = Config {
        runtime_count: 2,
        ..config()
    };
    let clients = HttpClients::new(&upstream_at("http://h"), &general).expect("good");
    let client_of = |index| {
        std::thread::scope(|scope| {
            let place = scope.spawn(|| {
                runtime::set_index(index);
                std::ptr::from_ref(clients.client().expect("a client")).addr()
            });
            place.join().expect("no panic")
        })
    };
    assert_eq!(client_of(0), client_of(0));
    assert_ne!(client_of(0), client_of(1));
    // A thread of a runtime that was not announced.
    assert_eq!(client_of(7), client_of(1));
}
