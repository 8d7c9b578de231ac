//! What a benchmark can't measure from outside. The core itself uses nothing of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    config::Cooldown,
    pool::{CredentialId, CredentialSource, Member, NewCredential, Pool, Proof, Rules, Wish},
    upstream::Credential,
};

/// Leases of which the time is taken at once.
const LEASES: u32 = 10_000;
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
