//! What a benchmark can't measure from outside. The core itself uses nothing of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use llm2api_proto::v1::ChatStart;

use crate::{
    chat::Ledger,
    config::{Config, Cooldown, UpstreamConfig},
    monitor::{Asked, Monitor, RequestContext},
    pool::{CredentialId, CredentialSource, Member, NewCredential, Pool, Proof, Rules, Wish},
    registry::Registry,
    upstream::Credential,
};

/// Leases of which the time is taken at once.
const LEASES: u32 = 10_000;
/// Chats of which the time is taken at once: as many as a busy instance counts at once.
const CHATS: u32 = 5_000;
/// How often it is taken; the shortest counts, as nothing but the pool was at work then.
const ROUNDS: usize = 20;

/// How long it takes to choose one of so many credentials, lease it, and give it back after a success.
#[must_use]
pub fn choosing(credential_count: usize) -> Duration {
    let rules = Rules {
        cooldown: Cooldown::For(Duration::from_secs(60)),
        concurrency: None,
        requests_per_minute: None,
        checks_first: false,
        idle_check: Some(Duration::from_secs(24 * 60 * 60)),
    };
    let pool = Arc::new(Pool::new("measured", rules, true));
    pool.add((0..credential_count).map(|number| {
        let mut credential = NewCredential::unknown(Member {
            id: CredentialId::new(),
            credential: Credential::api_key(format!("key-{number}").into()),
            source: CredentialSource::User,
        });
        credential.standing.proof = Proof::Answer;
        credential
    }));
    let rounds = (0..ROUNDS).map(|_| {
        let begin = Instant::now();
        for _ in 0..LEASES {
            if let Ok(mut lease) = pool.lease(Wish::default()) {
                lease.succeeded();
            }
        }
        begin.elapsed() / LEASES
    });
    rounds.min().unwrap_or_default()
}

/// How long it takes to note what is done for a chat that is answered at once, and to count it afterwards: what watching costs the
/// core. Its trace is one of those that are not kept.
#[must_use]
pub fn watching() -> Duration {
    let upstream = UpstreamConfig::named("measured", Some(&["m"]));
    let registry = Registry::of_config(&Config::of_upstreams(vec![upstream]));
    let routing = registry.snapshot();
    let entry = &routing.entries[0];
    let credential = entry.pool.in_turn(1)[0].id;
    let monitor = Arc::new(Monitor::new(1));
    // No more of the usual ones are kept then.
    while monitor.keeps_another() {}
    let asked = Asked {
        model: "m".to_owned(),
        is_streamed: true,
        ..Asked::default()
    };
    let start = ChatStart {
        id: "chatcmpl-0123456789abcdefghijklmnopqrs".to_owned(),
        upstream_model: "m".to_owned(),
        ..ChatStart::default()
    };
    let rounds = (0..ROUNDS).map(|_| {
        let begin = Instant::now();
        for _ in 0..CHATS {
            let context = RequestContext {
                request_id: "req_0123456789abcdef01234567".to_owned(),
                client_id: "key_0123456789abcdef".to_owned(),
                ..RequestContext::default()
            };
            let mut ledger = Ledger::new(&monitor, context, asked.clone());
            ledger.begin(entry, "m", credential, Duration::ZERO);
            ledger.begun(Some(&start));
            ledger.keep();
            ledger.answered();
        }
        drop(monitor.collected());
        begin.elapsed() / CHATS
    });
    rounds.min().unwrap_or_default()
}
