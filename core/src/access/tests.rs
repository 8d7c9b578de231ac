use super::*;

const LOOPBACK: &str = "127.0.0.1";
const PUBLIC: &str = "203.0.113.9";

fn access(clients: ClientAccess) -> Access {
    Access::new(
        &AccessConfig {
            clients,
            admin_key: "admin-key".to_owned().into(),
            core_key: Some("core-key".to_owned().into()),
            metrics: MetricsAccess::Nobody,
        },
        Arc::default(),
    )
}

fn caller<'a>(key: Option<&'a str>, address: &str) -> Caller<'a> {
    Caller {
        key,
        address: address.parse().expect("an address"),
        is_address_untrusted: false,
    }
}

fn reason(result: Result<Client, ContractError>) -> Result<String, ErrorReason> {
    result.map(|client| client.id).map_err(|error| error.reason)
}

#[test]
fn keys_decide_where_keys_are_set() {
    let access = access(ClientAccess::Keys(vec![
        "one".to_owned().into(),
        "two".to_owned().into(),
    ]));
    let check = |right, key| reason(access.check(right, caller(key, LOOPBACK)));
    assert!(check(Right::Client, Some("one")).is_ok_and(|id| id.starts_with("key_")));
    assert_ne!(
        check(Right::Client, Some("one")),
        check(Right::Client, Some("two"))
    );
    assert_eq!(
        check(Right::Client, Some("three")),
        Err(ErrorReason::InvalidApiKey)
    );
    assert_eq!(
        check(Right::Client, Some("")),
        Err(ErrorReason::InvalidApiKey)
    );
    assert_eq!(check(Right::Client, None), Err(ErrorReason::InvalidApiKey));
    assert_eq!(
        check(Right::Client, Some("admin-key")),
        Ok("admin".to_owned())
    );
    assert_eq!(
        check(Right::Admin, Some("admin-key")),
        Ok("admin".to_owned())
    );
    assert_eq!(
        check(Right::Admin, Some("core-key")),
        Ok("gateway".to_owned())
    );
    assert_eq!(
        check(Right::Admin, Some("one")),
        Err(ErrorReason::InsufficientPermissions)
    );
    assert_eq!(check(Right::Admin, None), Err(ErrorReason::InvalidApiKey));
    assert_eq!(check(Right::Open, None), Ok("anonymous".to_owned()));
    assert_eq!(
        check(Right::Open, Some("three")),
        Ok("anonymous".to_owned())
    );
}

#[test]
fn without_keys_private_addresses_are_let_in_with_any_key_or_none() {
    let access = access(ClientAccess::PrivateAddresses);
    for address in [
        "127.0.0.1",
        "::1",
        "10.1.2.3",
        "172.20.0.5",
        "192.168.1.1",
        "fd00::1",
        "::ffff:10.0.0.1",
    ] {
        for key in [None, Some("anything")] {
            let client = reason(access.check(Right::Client, caller(key, address)));
            assert_eq!(client, Ok("anonymous".to_owned()), "{address}");
        }
    }
    for address in [PUBLIC, "2001:db8::1", "::ffff:203.0.113.9", "172.32.0.1"] {
        let error = access
            .check(Right::Client, caller(None, address))
            .expect_err(address);
        assert_eq!(error.reason, ErrorReason::InvalidApiKey);
        assert!(error.message.contains("API_KEY"), "{}", error.message);
    }
    let proxied = Caller {
        is_address_untrusted: true,
        ..caller(None, LOOPBACK)
    };
    let error = access
        .check(Right::Client, proxied)
        .expect_err("who is behind it is unknown");
    assert!(
        error.message.contains("TRUSTED_PROXIES"),
        "{}",
        error.message
    );
    assert_eq!(
        reason(access.check(Right::Admin, caller(None, LOOPBACK))),
        Err(ErrorReason::InvalidApiKey)
    );
}

#[test]
fn off_lets_everybody_use_models_and_nobody_administer() {
    let access = access(ClientAccess::Open);
    assert_eq!(
        reason(access.check(Right::Client, caller(Some("x"), PUBLIC))),
        Ok("anonymous".to_owned())
    );
    assert_eq!(
        reason(access.check(Right::Admin, caller(Some("x"), PUBLIC))),
        Err(ErrorReason::InvalidApiKey)
    );
}

#[test]
fn wrong_keys_are_slowed_and_a_right_one_never_is() {
    let access = access(ClientAccess::Keys(vec!["right".to_owned().into()]));
    for _ in 0..WRONG_KEYS {
        let wrong = access.check(Right::Client, caller(Some("wrong"), PUBLIC));
        assert_eq!(reason(wrong), Err(ErrorReason::InvalidApiKey));
    }
    let slowed = access
        .check(Right::Client, caller(Some("wrong"), PUBLIC))
        .expect_err("slowed");
    assert_eq!(
        (slowed.reason, slowed.retry_after),
        (ErrorReason::RateLimitExceeded, Some(WRONG_KEY_WINDOW))
    );
    assert!(
        access
            .check(Right::Client, caller(Some("right"), PUBLIC))
            .is_ok()
    );
    let elsewhere = access.check(Right::Client, caller(Some("wrong"), LOOPBACK));
    assert_eq!(reason(elsewhere), Err(ErrorReason::InvalidApiKey));
}

#[test]
fn one_ipv6_network_counts_as_one_address() {
    let access = access(ClientAccess::Keys(Vec::new()));
    let mut last = None;
    for host in 0..=WRONG_KEYS {
        let address = format!("2001:db8::{host:x}");
        last = Some(reason(
            access.check(Right::Client, caller(Some("wrong"), &address)),
        ));
    }
    assert_eq!(last, Some(Err(ErrorReason::RateLimitExceeded)));
}

#[test]
fn the_key_for_metrics_opens_metrics_and_nothing_else() {
    let with = |metrics| {
        let config = AccessConfig {
            clients: ClientAccess::Keys(vec!["client".to_owned().into()]),
            admin_key: "admin-key".to_owned().into(),
            core_key: None,
            metrics,
        };
        Access::new(&config, Arc::default())
    };
    let check = |access: &Access, right, key| reason(access.check(right, caller(key, LOOPBACK)));
    let access = with(MetricsAccess::Key("metrics-key".to_owned().into()));
    assert_eq!(
        check(&access, Right::Metrics, Some("metrics-key")),
        Ok("metrics".to_owned())
    );
    for right in [Right::Client, Right::Admin] {
        assert_eq!(
            check(&access, right, Some("metrics-key")),
            Err(ErrorReason::InvalidApiKey)
        );
    }
    assert_eq!(
        check(&access, Right::Metrics, Some("admin-key")),
        Ok("admin".to_owned())
    );
    assert_eq!(
        check(&access, Right::Metrics, Some("client")),
        Err(ErrorReason::InsufficientPermissions)
    );
    for key in [None, Some("wrong")] {
        assert_eq!(
            check(&access, Right::Metrics, key),
            Err(ErrorReason::InvalidApiKey)
        );
    }

    let closed = with(MetricsAccess::Nobody);
    assert_eq!(
        check(&closed, Right::Metrics, Some("")),
        Err(ErrorReason::InvalidApiKey)
    );
    let open = with(MetricsAccess::Open);
    for key in [None, Some("wrong")] {
        assert_eq!(check(&open, Right::Metrics, key), Ok("metrics".to_owned()));
    }
    assert_eq!(
        check(&open, Right::Admin, None),
        Err(ErrorReason::InvalidApiKey)
    );
}
