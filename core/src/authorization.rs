//! What entitles this instance to run: its authorization code, which is checked again and again.
//!
//! Somebody is always the authority: whoever the configuration names, by a public key, by an address that is asked, or by both; else
//! the instance itself, which makes a key, issues itself a code and renews it. So the check always runs, and there is one way through it:
//! the `Authority` finds something, the `Standing` decides what follows, and what holds is one snapshot, which each request reads.
//!
//! What anybody needs to make or read codes without an instance ([`Claims`], keys) is public.

mod allowance;
mod authority;
mod code;
mod fault;
mod introspection;
mod issuer;
mod key;
mod standing;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use llm2api_proto::{ContractError, v1::ErrorReason};
use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, time::MissedTickBehavior};

pub(crate) use self::{
    allowance::Allowance,
    issuer::Order,
    key::KEY_SIZE_BYTES,
    standing::{State, View},
};
use self::{
    allowance::Allowances,
    authority::Authority,
    issuer::{Issuer, to_seconds},
    standing::{Finding, LastGood, Policy, Standing},
};
pub use self::{
    code::{AUDIENCE, Audience, Claims, CodeLimits, LEEWAY_SECONDS, MAX_CODE_BYTES},
    fault::Fault,
    key::{PublicKey, SigningKey},
};
use crate::{
    config::{AuthorizationConfig, Config},
    core::CoreError,
    health::Health,
    limits::SavedMeter,
    store::{Store, StoreError, StoredAuthorization, StoredCode},
};

/// For how long the start waits for the first check. An authority that takes longer is waited for while the process runs.
const FIRST_CHECK: Duration = Duration::from_secs(3);
/// How often it is stored what was used of the code's limits; after a crash that much is lost.
const METER_INTERVAL: Duration = Duration::from_secs(5);
/// The longest time after which the clock is looked at again: it may have been set, or the machine have slept.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The authorization of this instance, and those that it gives to others.
pub(crate) struct Authorization {
    issuer: Issuer,
    store: Store,
    checked: Mutex<Checked>,
    /// What holds now.
    view: ArcSwap<View>,
    /// What it allows.
    allowances: Allowances,
    /// Told when another authority or code is to be checked.
    replaced: Notify,
}

/// What is checked, and what that found.
struct Checked {
    authority: Arc<Authority>,
    fingerprint: [u8; blake3::OUT_LEN],
    standing: Standing,
}

/// Another authority or code, ready to be taken over.
pub(crate) struct Replacement {
    authority: Arc<Authority>,
    fingerprint: [u8; blake3::OUT_LEN],
    policy: Policy,
}

/// A good answer as it is kept over a restart.
#[derive(Serialize, Deserialize)]
struct KeptAnswer {
    fingerprint: [u8; blake3::OUT_LEN],
    claims: Claims,
    found_at: i64,
}

impl Authorization {
    /// Sets up the authority that the configuration names, with what was kept, and does the first check.
    ///
    /// # Errors
    ///
    /// [`CoreError::Authority`], where it can't be asked at its address; [`CoreError::Store`], where no key can be kept.
    pub(crate) async fn new(
        config: &Config,
        store: Store,
        kept: StoredAuthorization,
        meters: &mut HashMap<String, SavedMeter>,
    ) -> Result<Self, CoreError> {
        let key = match kept.signing_key {
            Some(seed) => SigningKey::from_seed(seed),
            None => {
                let key = SigningKey::random().map_err(CoreError::SigningKey)?;
                store.save_signing_key(&key).await?;
                key
            }
        };
        let issuer = Issuer::new(key, store.clone(), kept.codes);
        let Replacement {
            authority,
            fingerprint,
            policy,
        } = Replacement::new(config, &issuer)?;
        let answer = kept.answer.and_then(|answer| {
            let answer: KeptAnswer = serde_json::from_slice(&answer).ok()?;
            (answer.fingerprint == fingerprint).then_some(LastGood {
                claims: answer.claims,
                found_at: answer.found_at,
            })
        });
        let standing = Standing::new(policy, answer, now());
        let authorization = Self {
            issuer,
            store,
            view: ArcSwap::from_pointee(standing.view(now())),
            allowances: Allowances::new(meters),
            checked: Mutex::new(Checked {
                authority,
                fingerprint,
                standing,
            }),
            replaced: Notify::new(),
        };
        // Where it doesn't end in time it is begun anew in the background.
        let _ = tokio::time::timeout(FIRST_CHECK, authorization.check()).await;
        Ok(authorization)
    }

    /// What holds now.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Lets a client's request in where this instance is authorized.
    ///
    /// # Errors
    ///
    /// `AUTHORIZATION_INVALID`. It tells a client no more than a word of why: the rest is the operator's.
    pub(crate) fn admit(&self) -> Result<(), ContractError> {
        let view = self.view.load();
        if view.state.admits() {
            return Ok(());
        }
        let message = format!(
            "This instance of llm2api is not authorized to answer now ({}); its operator sees why, and what to do, by `llm2api auth show`.",
            view.reason
        );
        Err(ContractError::new(
            ErrorReason::AuthorizationInvalid,
            message,
        ))
    }

    /// What clients may have here, all together. `None`: anything.
    pub(crate) fn allowance(&self) -> Option<Arc<Allowance>> {
        self.allowances.current()
    }

    /// Checks whenever that is due, and stores what is counted, until it is dropped.
    pub(crate) async fn run(&self, health: &Health) {
        let mut meters_are_due = tokio::time::interval(METER_INTERVAL);
        meters_are_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next_event_at = self.checked().standing.next_event_at(now());
            let wait = until(next_event_at).min(LONGEST_SLEEP);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.replaced.notified() => {}
                _ = meters_are_due.tick() => self.keep_meter().await,
            }
            let was_admitting = self.view.load().state.admits();
            if self.checked().standing.next_check_at() <= now() {
                self.check().await;
            } else {
                self.publish(&self.checked());
            }
            if self.view.load().state.admits() != was_admitting {
                health.report().await;
            }
        }
    }

    /// Stores what was counted for the last time.
    pub(crate) async fn end(&self) {
        self.keep_meter().await;
    }

    /// Makes ready what a changed configuration says.
    ///
    /// # Errors
    ///
    /// [`CoreError::Authority`].
    pub(crate) fn replacement(&self, config: &Config) -> Result<Replacement, CoreError> {
        Replacement::new(config, &self.issuer)
    }

    /// Takes over another authority or code. What held before holds until the new one is checked, which is done at once.
    pub(crate) async fn replace(&self, replacement: Replacement) {
        let Replacement {
            authority,
            fingerprint,
            policy,
        } = replacement;
        let finding = authority.check(&self.issuer, now()).await;
        let kept = {
            let mut checked = self.checked();
            let is_same = checked.fingerprint == fingerprint;
            let last_good = checked.standing.last_good().filter(|_| is_same).cloned();
            let mut standing = Standing::new(policy, last_good, now());
            standing.note(finding, now());
            *checked = Checked {
                authority,
                fingerprint,
                standing,
            };
            self.publish(&checked);
            checked.kept_answer()
        };
        self.replaced.notify_one();
        self.keep(kept).await;
    }

    /// How codes are decided on here: `own`, `public_key`, `introspection`, or `public_key_and_introspection`.
    pub(crate) fn authority(&self) -> &'static str {
        self.checked().authority.as_str()
    }

    /// Whether somebody else decides.
    pub(crate) fn has_authority(&self) -> bool {
        self.checked().authority.is_elsewhere()
    }

    /// What checks the codes that are issued here.
    pub(crate) fn own_public_key(&self) -> &PublicKey {
        self.issuer.public_key()
    }

    /// Issues a code, once it is stored. What it says, and the code itself.
    ///
    /// # Errors
    ///
    /// Where it can't be stored.
    pub(crate) async fn issue(&self, order: Order) -> Result<(StoredCode, String), StoreError> {
        self.issuer.issue(order, false, now()).await
    }

    /// Revokes a code that was issued here, or makes it good again. `None`: there is no such code.
    ///
    /// # Errors
    ///
    /// Where that can't be stored.
    pub(crate) async fn revoke(
        &self,
        id: &str,
        is_revoked: bool,
    ) -> Result<Option<StoredCode>, StoreError> {
        self.issuer.revoke(id, is_revoked.then(now)).await
    }

    /// The codes that were issued here after the one of this id, at most so many, and whether there are more. `None`: there is no such id.
    pub(crate) fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Option<(Vec<StoredCode>, bool)> {
        self.issuer.list(after, limit)
    }

    /// What a code says that was issued here and is good now; `None` of all others.
    pub(crate) fn introspect(&self, code: &str) -> Option<StoredCode> {
        match self.issuer.check(code, now()) {
            Finding::Good(claims) => self.issuer.known(&claims.jti),
            Finding::Bad(..) | Finding::NoAnswer(_) => None,
        }
    }

    async fn check(&self) {
        let authority = Arc::clone(&self.checked().authority);
        let finding = authority.check(&self.issuer, now()).await;
        let kept = {
            let mut checked = self.checked();
            if !Arc::ptr_eq(&checked.authority, &authority) {
                return;
            }
            checked.standing.note(finding, now());
            self.publish(&checked);
            checked.kept_answer()
        };
        self.keep(kept).await;
    }

    /// Makes what holds now what requests see, and says where it is another.
    fn publish(&self, checked: &Checked) {
        let view = checked.standing.view(now());
        self.allowances.follow(view.claims.as_ref());
        let before = self.view.swap(Arc::new(view.clone()));
        if (before.state, before.reason) == (view.state, view.reason) {
            return;
        }
        let (state, reason, message) = (view.state.as_str(), view.reason, view.message);
        match view.state {
            State::Valid => tracing::info!(state, "this instance is authorized"),
            State::Grace => tracing::warn!(state, reason, "{message}"),
            State::Unchecked => tracing::info!(state, reason, "{message}"),
            State::Invalid => {
                tracing::error!(state, reason, "clients are refused: {message}");
            }
        }
    }

    /// Keeps the last good answer, or that there is none. Where that fails, a restart while the authority is away knows less.
    async fn keep(&self, answer: Option<KeptAnswer>) {
        let answer = answer
            .map(|answer| serde_json::to_vec(&answer).expect("text and numbers, into memory"));
        if let Err(error) = self
            .store
            .save_authorization_answer(answer.as_deref())
            .await
        {
            tracing::error!(%error, "the authority's last answer could not be stored");
        }
    }

    async fn keep_meter(&self) {
        let Some(meter) = self.allowances.take_changes() else {
            return;
        };
        if let Err(error) = self.store.save_meters(vec![meter]).await {
            self.allowances.put_back();
            tracing::error!(%error, "what was used of the authorization code's limits can't be stored now");
        }
    }

    fn checked(&self) -> MutexGuard<'_, Checked> {
        // A panic elsewhere leaves nothing half done.
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Checked {
    fn kept_answer(&self) -> Option<KeptAnswer> {
        let good = self.standing.last_good()?;
        Some(KeptAnswer {
            fingerprint: self.fingerprint,
            claims: good.claims.clone(),
            found_at: good.found_at,
        })
    }
}

impl Replacement {
    fn new(config: &Config, issuer: &Issuer) -> Result<Self, CoreError> {
        let authority = Authority::new(config, issuer)?;
        let AuthorizationConfig {
            check_interval,
            grace,
            ..
        } = config.authorization;
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Ok(Self {
            fingerprint: authority.fingerprint(&config.authorization),
            authority: Arc::new(authority),
            policy: Policy {
                interval: seconds(check_interval).max(1),
                grace: seconds(grace),
            },
        })
    }
}

fn now() -> i64 {
    to_seconds(SystemTime::now())
}

/// The time until an instant, which may have been.
fn until(seconds: i64) -> Duration {
    let instant = UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap_or_default());
    let left = instant.duration_since(SystemTime::now());
    left.unwrap_or_default()
}
