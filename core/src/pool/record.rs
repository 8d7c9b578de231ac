//! What is known of a credential beside its standing.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Member, Proof, SavedStanding, roster::View, standing::State};
use crate::store::{CredentialUsage, Fingerprint};

/// What is known of a credential beside its standing.
#[derive(Debug)]
pub(crate) struct Record {
    /// What never changes.
    pub(crate) member: Arc<Member>,
    /// What tells it from others. `None`: nothing is kept of it.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// What somebody called it.
    pub(crate) label: String,
    /// When it was added.
    pub(crate) added_at: SystemTime,
    /// When it was last checked.
    pub(crate) last_checked_at: Option<SystemTime>,
    /// What was done with it.
    pub(crate) usage: CredentialUsage,
    /// Whether its standing is to be kept anew.
    pub(super) is_changed: bool,
    /// Whether its usage is to be kept anew.
    pub(super) is_used: bool,
    /// Whether its secret is to be kept anew.
    pub(super) is_renewed: bool,
}

/// A credential that comes in.
#[derive(Debug)]
pub(crate) struct NewCredential {
    pub(crate) member: Member,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) label: String,
    pub(crate) is_disabled: bool,
    pub(crate) standing: SavedStanding,
    pub(crate) added_at: SystemTime,
    pub(crate) last_checked_at: Option<SystemTime>,
    pub(crate) usage: CredentialUsage,
}

/// A credential as it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) member: Arc<Member>,
    pub(crate) label: String,
    pub(crate) state: ShownState,
    pub(crate) reason: Option<&'static str>,
    pub(crate) in_flight: u32,
    pub(crate) added_at: SystemTime,
    pub(crate) last_checked_at: Option<SystemTime>,
    pub(crate) cooldown_until: Option<SystemTime>,
    pub(crate) usage: CredentialUsage,
}

/// The states as operators know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShownState {
    /// The upstream has accepted it.
    Valid,
    /// Nothing has shown yet whether the upstream accepts it.
    Unchecked,
    /// It is left alone for a while.
    Cooling,
    /// The upstream refuses it.
    Invalid,
    /// It is left unused by hand.
    Disabled,
}

impl ShownState {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Valid,
        Self::Unchecked,
        Self::Cooling,
        Self::Invalid,
        Self::Disabled,
    ];

    /// The state as operators read it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Unchecked => "unchecked",
            Self::Cooling => "cooling",
            Self::Invalid => "invalid",
            Self::Disabled => "disabled",
        }
    }

    /// The state of a slot, and why it is in it.
    pub(super) fn of(view: &View) -> (Self, Option<&'static str>) {
        if view.is_disabled {
            return (Self::Disabled, None);
        }
        match view.state {
            State::Usable { proof, .. } => match proof {
                Proof::Check | Proof::Answer => (Self::Valid, None),
                Proof::Nothing => (Self::Unchecked, None),
                Proof::NotVerifiable => (Self::Unchecked, Some("not_verifiable")),
            },
            State::Cooling { reason, .. } => (Self::Cooling, Some(reason.as_str())),
            State::Invalid(invalid) => (Self::Invalid, Some(invalid.reason.as_str())),
        }
    }
}

impl Record {
    /// Whether it is noted already that something is to be kept of it.
    pub(super) fn is_noted(&self) -> bool {
        self.is_changed || self.is_used || self.is_renewed
    }
}

impl From<NewCredential> for Record {
    fn from(new: NewCredential) -> Self {
        Self {
            member: Arc::new(new.member),
            fingerprint: new.fingerprint,
            label: new.label,
            added_at: new.added_at,
            last_checked_at: new.last_checked_at,
            usage: new.usage,
            is_changed: false,
            is_used: false,
            is_renewed: false,
        }
    }
}

impl NewCredential {
    /// For how long nobody has used or checked it.
    pub(super) fn idle_for(&self, now: SystemTime) -> Duration {
        let last = [
            Some(self.added_at),
            self.last_checked_at,
            self.usage.last_used_at,
        ];
        let last = last.into_iter().flatten().max();
        last.and_then(|last| now.duration_since(last).ok())
            .unwrap_or_default()
    }

    /// A credential of which nothing is known, and nothing kept.
    pub(crate) fn unknown(member: Member) -> Self {
        Self {
            member,
            fingerprint: None,
            label: String::new(),
            is_disabled: false,
            standing: SavedStanding::UNKNOWN,
            added_at: SystemTime::now(),
            last_checked_at: None,
            usage: CredentialUsage::default(),
        }
    }
}
