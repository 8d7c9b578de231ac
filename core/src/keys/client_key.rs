//! One key.

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use blake3::Hash;
use ipnet::IpNet;

use super::{KeyId, Preview};
use crate::limits::{Gauge, Grant, Holder, HolderKind};

/// A key, without its value. Another one takes its place where something of it changes; the gauge goes along.
#[derive(Debug)]
pub(crate) struct ClientKey {
    /// Its name.
    pub(crate) id: KeyId,
    /// What its value is known by.
    pub(crate) hash: Hash,
    /// What may be shown of its value.
    pub(crate) preview: Preview,
    /// When it was made.
    pub(crate) created_at: SystemTime,
    /// What else was decided of it.
    pub(crate) settings: KeySettings,
    /// What it grants, and what was counted of it.
    pub(crate) holder: Holder,
}

/// What is decided of a key beside what it grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeySettings {
    /// What somebody called it.
    pub(crate) label: String,
    /// From when it opens nothing any more. `None`: it holds for ever.
    pub(crate) expires_at: Option<SystemTime>,
    /// The networks that it may come from. Empty: all.
    pub(crate) networks: Vec<IpNet>,
    /// Whether it may ask what authorization codes are worth.
    pub(crate) may_introspect: bool,
}

impl ClientKey {
    /// The holder that a key is.
    pub(crate) fn holder(grant: Grant, gauge: Arc<Gauge>) -> Holder {
        Holder {
            kind: HolderKind::Key,
            grant,
            gauge,
        }
    }

    /// Whether it opens nothing any more.
    pub(crate) fn is_expired(&self, now: SystemTime) -> bool {
        self.settings.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether it may come from there.
    pub(crate) fn may_come_from(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let networks = &self.settings.networks;
        networks.is_empty() || networks.iter().any(|network| network.contains(&address))
    }
}
