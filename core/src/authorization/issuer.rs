//! The codes that this instance issues: to others, and to itself where nobody else is its authority.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    Claims, Fault, PublicKey, SigningKey,
    code::{AUDIENCE, Audience, CodeLimits},
    standing::Finding,
};
use crate::store::{Store, StoreError, StoredCode};

/// For how long a code is good that an instance issues to itself, in seconds: thirty days.
const OWN_LIFETIME: i64 = 30 * 24 * 3600;
/// What of it must be left for it not to be renewed.
const OWN_REMAINDER: i64 = OWN_LIFETIME / 3;
/// For whom such a code is.
const OWN_SUBJECT: &str = "this instance";
/// Random bytes of an id.
const ID_SIZE_BYTES: usize = 12;

/// Issues codes, and knows them again.
pub(super) struct Issuer {
    key: SigningKey,
    public_key: PublicKey,
    store: Store,
    /// By the order in which they were issued.
    codes: Mutex<BTreeMap<u64, StoredCode>>,
}

/// What is asked for in a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// For whom it is to be.
    pub(crate) subject: String,
    /// From when it is to be good.
    pub(crate) not_before: i64,
    /// Until when.
    pub(crate) expires_at: i64,
    /// What it is to allow.
    pub(crate) limits: CodeLimits,
}

impl Issuer {
    /// An issuer with the codes that it issued so far, in that order.
    pub(super) fn new(key: SigningKey, store: Store, codes: Vec<StoredCode>) -> Self {
        Self {
            public_key: key.public_key(),
            key,
            store,
            codes: Mutex::new((0..).zip(codes).collect()),
        }
    }

    /// What checks the codes.
    pub(super) fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Issues a code, once it is stored.
    ///
    /// # Errors
    ///
    /// Where it can't be stored.
    pub(super) async fn issue(
        &self,
        order: Order,
        is_own: bool,
        now: i64,
    ) -> Result<(StoredCode, String), StoreError> {
        let claims = Claims {
            iss: self.public_key.issuer(),
            sub: order.subject,
            jti: new_id(),
            iat: Some(now),
            nbf: Some(order.not_before),
            exp: Some(order.expires_at),
            aud: Audience::One(AUDIENCE.to_owned()),
            llm2api_limits: order.limits,
        };
        let text = claims.sign(&self.key);
        let code = StoredCode {
            claims,
            is_own,
            revoked_at: None,
        };
        self.store.add_code(&code).await?;
        let mut codes = self.codes();
        let place = codes.last_key_value().map_or(0, |(place, _)| place + 1);
        codes.insert(place, code.clone());
        Ok((code, text))
    }

    /// Revokes a code, or makes it good again. `None`: there is no such code.
    ///
    /// # Errors
    ///
    /// Where that can't be stored.
    pub(super) async fn revoke(
        &self,
        id: &str,
        revoked_at: Option<i64>,
    ) -> Result<Option<StoredCode>, StoreError> {
        let Some(mut code) = self.known(id) else {
            return Ok(None);
        };
        // Twice revoked is revoked since the first time.
        if code.revoked_at.is_none() || revoked_at.is_none() {
            code.revoked_at = revoked_at;
            self.store.revoke_code(id, revoked_at).await?;
            let mut codes = self.codes();
            if let Some(known) = codes.values_mut().find(|code| code.claims.jti == id) {
                known.revoked_at = revoked_at;
            }
        }
        Ok(Some(code))
    }

    /// The codes after the one of this id (`None`: from the first), at most this many, and whether there are more.
    pub(super) fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Option<(Vec<StoredCode>, bool)> {
        let codes = self.codes();
        let begin = match after {
            None => 0,
            Some(id) => {
                let mut places = codes.iter();
                1 + places.find(|(_, code)| code.claims.jti == id)?.0
            }
        };
        let mut page: Vec<StoredCode> = codes
            .range(begin..)
            .take(limit.saturating_add(1))
            .map(|(_, code)| code.clone())
            .collect();
        let has_more = page.len() > limit;
        page.truncate(limit);
        Some((page, has_more))
    }

    /// Whether a code is one of ours, and good at this time.
    pub(super) fn check(&self, text: &str, now: i64) -> Finding {
        let claims = match Claims::read(text, &self.public_key) {
            Ok(claims) => claims,
            Err(fault) => return Finding::Bad(fault, None),
        };
        let fault = match self.known(&claims.jti) {
            Some(code) if code.claims == claims && code.revoked_at.is_some() => {
                Some(Fault::Revoked)
            }
            Some(code) if code.claims == claims => claims.check(now).err(),
            // One that the key has signed elsewhere, or in a database of which this one is an older copy.
            Some(_) | None => Some(Fault::NotIssued),
        };
        match fault {
            None => Finding::Good(claims),
            Some(fault) => Finding::Bad(fault, Some(claims)),
        }
    }

    /// The code of this id.
    pub(super) fn known(&self, id: &str) -> Option<StoredCode> {
        let codes = self.codes();
        codes.values().find(|code| code.claims.jti == id).cloned()
    }

    /// Whether this key has signed a code, whatever else is with it.
    pub(super) fn has_signed(&self, text: &str) -> bool {
        !matches!(
            Claims::read(text, &self.public_key),
            Err(Fault::Malformed | Fault::WrongAlgorithm | Fault::WrongSignature)
        )
    }

    /// The code by which this instance runs where it is its own authority; a new one where there is none, or not for long any more.
    ///
    /// # Errors
    ///
    /// Where a new one can't be stored.
    pub(super) async fn own_code(&self, now: i64) -> Result<String, StoreError> {
        let known = {
            let codes = self.codes();
            let mut latest_first = codes.values().rev();
            latest_first
                .find(|code| code.is_own && code.revoked_at.is_none() && lasts(&code.claims, now))
                .cloned()
        };
        if let Some(code) = known {
            return Ok(code.claims.sign(&self.key));
        }
        let order = Order {
            subject: OWN_SUBJECT.to_owned(),
            not_before: now,
            expires_at: now + OWN_LIFETIME,
            limits: CodeLimits::default(),
        };
        let (_, text) = self.issue(order, true, now).await?;
        Ok(text)
    }

    fn codes(&self) -> MutexGuard<'_, BTreeMap<u64, StoredCode>> {
        // A panic elsewhere leaves nothing half done.
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a code of our own is good, and for long enough.
fn lasts(claims: &Claims, now: i64) -> bool {
    claims.check(now).is_ok() && claims.exp.is_some_and(|exp| exp - now > OWN_REMAINDER)
}

fn new_id() -> String {
    let mut random = [0; ID_SIZE_BYTES];
    getrandom::fill(&mut random).expect("a system that had randomness at the start has it later");
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ac_{hex}")
}

/// An instant as codes have it.
pub(super) fn to_seconds(time: SystemTime) -> i64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}
