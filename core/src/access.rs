//! Who may do what.
//!
//! One table says which right each HTTP route and each RPC needs ([`rules`]); this module says who has which right. Keys are held and
//! compared as BLAKE3 hashes, whose comparison takes the same time wherever two differ.

pub(crate) mod rules;

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use blake3::Hash;
use llm2api_proto::{ContractError, v1::ErrorReason};
use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};

use self::rules::Right;
use crate::{
    config::{AccessConfig, ClientAccess, MetricsAccess},
    keys::{ClientKey, KeyRing},
};

/// Wrong keys that an address may send in [`WRONG_KEY_WINDOW`] before further ones are not even looked at.
const WRONG_KEYS: u32 = 100;
const WRONG_KEY_WINDOW: Duration = Duration::from_secs(60);
/// Addresses whose wrong keys are counted at a time. An attacker with more pushes out the oldest counts, not our memory.
const MAX_COUNTED_ADDRESSES: u64 = 10_000;

/// Who is let in.
pub(crate) struct Access {
    keys: ArcSwap<Keys>,
    /// The keys that are made here, beside those of the configuration.
    made: Arc<KeyRing>,
    wrong_keys: Cache<IpAddr, Arc<AtomicU32>>,
}

/// The keys, and what each opens.
struct Keys {
    clients: Clients,
    admin: Hash,
    gateway: Option<Hash>,
    metrics: Metrics,
}

/// Who may read the metrics, beside the operator.
enum Metrics {
    Nobody,
    Key(Hash),
    Everybody,
}

/// Who may use what clients may use.
enum Clients {
    Keys(Vec<Hash>),
    PrivateAddresses,
    Everybody,
}

/// Somebody who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    /// The key that came along. Empty counts as none.
    pub(crate) key: Option<&'a str>,
    /// Where the caller is.
    pub(crate) address: IpAddr,
    /// Whether a proxy that we don't know may stand before the real caller.
    pub(crate) is_address_untrusted: bool,
}

/// Somebody who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    /// By what the caller is known: `admin`, `gateway`, `key_…`, or `anonymous`.
    pub(crate) id: String,
    /// Whether administration is open to it.
    pub(crate) is_admin: bool,
}

impl Access {
    pub(crate) fn new(config: &AccessConfig, made: Arc<KeyRing>) -> Self {
        Self {
            keys: ArcSwap::from_pointee(Keys::new(config)),
            made,
            wrong_keys: Cache::builder()
                .max_capacity(MAX_COUNTED_ADDRESSES)
                .time_to_live(WRONG_KEY_WINDOW)
                .build(),
        }
    }

    /// Takes over other keys.
    pub(crate) fn replace(&self, config: &AccessConfig) {
        self.keys.store(Arc::new(Keys::new(config)));
    }

    /// Decides whether a caller has a right.
    ///
    /// # Errors
    ///
    /// `INVALID_API_KEY`, `INSUFFICIENT_PERMISSIONS`, or `RATE_LIMIT_EXCEEDED` after too many wrong keys.
    pub(crate) fn check(&self, right: Right, caller: Caller<'_>) -> Result<Client, ContractError> {
        let key = caller.key.filter(|key| !key.is_empty());
        let keys = self.keys.load();
        if right == Right::Metrics && keys.metrics.lets_in(key) {
            return Ok(Client {
                id: "metrics".to_owned(),
                is_admin: false,
            });
        }
        if let Some(key) = key {
            let hash = blake3::hash(key.as_bytes());
            if let Some(client) = keys.known(&hash) {
                return match right {
                    Right::Open | Right::Client => Ok(client),
                    Right::Admin | Right::Introspection | Right::Metrics if client.is_admin => {
                        Ok(client)
                    }
                    Right::Admin | Right::Introspection => Err(needs_admin()),
                    Right::Metrics => Err(needs_metrics()),
                };
            }
            if let Some(made) = self.made.of_hash(&hash) {
                return check_made(&made, right, caller);
            }
        }
        let anonymous = Client {
            id: "anonymous".to_owned(),
            is_admin: false,
        };
        let message = match (right, &keys.clients) {
            (Right::Open, _) | (Right::Client, Clients::Everybody) => return Ok(anonymous),
            (Right::Client, Clients::PrivateAddresses) if self.made.is_empty() => {
                if !caller.is_address_untrusted && is_private(caller.address) {
                    return Ok(anonymous);
                }
                if caller.is_address_untrusted {
                    "No API_KEY is set, so only loopback and private addresses are let in without one; and this request \
                     bears a forwarding header of a proxy that TRUSTED_PROXIES doesn't name. Set API_KEY, or TRUSTED_PROXIES."
                } else {
                    "No API_KEY is set, so only loopback and private addresses are let in without one. Set API_KEY (or \
                     API_KEY=off to let everybody in)."
                }
            }
            (Right::Client, _) if key.is_none() => {
                "No API key was sent. Send it as `Authorization: Bearer KEY`."
            }
            (Right::Admin, _) if key.is_none() => {
                "This needs the admin key. Send it as `Authorization: Bearer KEY`."
            }
            (Right::Introspection, _) if key.is_none() => {
                "This needs the admin key, or a client key that may introspect. Send it as `Authorization: Bearer KEY`."
            }
            (Right::Metrics, _) if key.is_none() => {
                "This needs the key for metrics (METRICS_KEY), or the admin key. Send it as `Authorization: Bearer KEY`."
            }
            (Right::Metrics, _) => {
                "The key that was sent is neither the key for metrics nor the admin key."
            }
            (Right::Client | Right::Introspection, _) => {
                "The API key that was sent is not known here; it may have been revoked."
            }
            (Right::Admin, _) => "The key that was sent is not the admin key.",
        };
        if key.is_some() {
            self.count_wrong_key(caller.address)?;
        }
        Err(ContractError::new(ErrorReason::InvalidApiKey, message))
    }

    fn count_wrong_key(&self, address: IpAddr) -> Result<(), ContractError> {
        let count = self.wrong_keys.get_with(network(address), Arc::default);
        if count.fetch_add(1, Ordering::Relaxed) < WRONG_KEYS {
            return Ok(());
        }
        Err(ContractError::new(
            ErrorReason::RateLimitExceeded,
            "Too many wrong keys came from this address; try again in a minute.",
        )
        .with_retry_after(WRONG_KEY_WINDOW))
    }
}

impl Client {
    fn of_made(key: &ClientKey) -> Self {
        Self {
            id: key.id.to_string(),
            is_admin: false,
        }
    }
}

impl Keys {
    fn new(config: &AccessConfig) -> Self {
        let hash = |key: &SecretString| blake3::hash(key.expose_secret().as_bytes());
        Self {
            clients: match &config.clients {
                ClientAccess::Keys(keys) => Clients::Keys(keys.iter().map(hash).collect()),
                ClientAccess::PrivateAddresses => Clients::PrivateAddresses,
                ClientAccess::Open => Clients::Everybody,
            },
            admin: hash(&config.admin_key),
            gateway: config.core_key.as_ref().map(hash),
            metrics: match &config.metrics {
                MetricsAccess::Nobody => Metrics::Nobody,
                MetricsAccess::Key(key) => Metrics::Key(hash(key)),
                MetricsAccess::Open => Metrics::Everybody,
            },
        }
    }

    /// Who has the key of this hash.
    fn known(&self, hash: &Hash) -> Option<Client> {
        if *hash == self.admin {
            return Some(Client {
                id: "admin".to_owned(),
                is_admin: true,
            });
        }
        if self.gateway.is_some_and(|gateway| *hash == gateway) {
            return Some(Client {
                id: "gateway".to_owned(),
                is_admin: true,
            });
        }
        match &self.clients {
            Clients::Keys(keys) if keys.contains(hash) => Some(Client {
                id: format!("key_{}", &hash.to_hex()[..16]),
                is_admin: false,
            }),
            Clients::Keys(_) | Clients::PrivateAddresses | Clients::Everybody => None,
        }
    }
}

impl Metrics {
    fn lets_in(&self, key: Option<&str>) -> bool {
        match self {
            Self::Nobody => false,
            Self::Key(hash) => key.is_some_and(|key| blake3::hash(key.as_bytes()) == *hash),
            Self::Everybody => true,
        }
    }
}

/// Decides whether a key that was made here has a right. It is never admin.
fn check_made(key: &ClientKey, right: Right, caller: Caller<'_>) -> Result<Client, ContractError> {
    let refused = |reason, message: &str| Err(ContractError::new(reason, message));
    if right == Right::Open {
        return Ok(Client::of_made(key));
    }
    if key.is_expired(SystemTime::now()) {
        return refused(
            ErrorReason::InvalidApiKey,
            "The API key that was sent has expired; ask the operator for another, or for more time.",
        );
    }
    // Where a stranger may stand before the client, nobody knows its network.
    let is_known = !caller.is_address_untrusted || key.settings.networks.is_empty();
    if !is_known || !key.may_come_from(caller.address) {
        return refused(
            ErrorReason::InsufficientPermissions,
            "The API key that was sent is not allowed from this network.",
        );
    }
    match right {
        Right::Open | Right::Client => Ok(Client::of_made(key)),
        Right::Introspection if key.settings.may_introspect => Ok(Client::of_made(key)),
        Right::Introspection => refused(
            ErrorReason::InsufficientPermissions,
            "The API key that was sent may not introspect; its operator can allow it.",
        ),
        Right::Admin => Err(needs_admin()),
        Right::Metrics => Err(needs_metrics()),
    }
}

fn needs_admin() -> ContractError {
    ContractError::new(
        ErrorReason::InsufficientPermissions,
        "This needs the admin key; the key that was sent opens client endpoints only.",
    )
}

fn needs_metrics() -> ContractError {
    ContractError::new(
        ErrorReason::InsufficientPermissions,
        "This needs the key for metrics (METRICS_KEY) or the admin key; the key that was sent opens client endpoints only.",
    )
}

/// What counts as one address: of IPv6 the network of a site, whose host chooses the rest.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (!0 << 64))),
    }
}

/// Whether an address is loopback, private (RFC 1918, RFC 4193) or link-local.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;
