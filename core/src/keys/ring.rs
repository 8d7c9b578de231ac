//! All keys, as requests look at them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwap;
use blake3::Hash;

use super::{ClientKey, KeyId};

/// All keys: one snapshot, replaced as a whole.
#[derive(Debug, Default)]
pub(crate) struct KeyRing(ArcSwap<Keys>);

/// A snapshot.
#[derive(Debug, Default)]
pub(super) struct Keys {
    by_hash: HashMap<Hash, Arc<ClientKey>>,
    /// Those that were made first come first.
    by_id: BTreeMap<KeyId, Arc<ClientKey>>,
}

impl KeyRing {
    /// Whether there is no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.load().by_id.is_empty()
    }

    /// The key with the value of this hash. What a look-up's time tells of hashes says nothing of values.
    pub(crate) fn of_hash(&self, hash: &Hash) -> Option<Arc<ClientKey>> {
        self.0.load().by_hash.get(hash).map(Arc::clone)
    }

    /// The key of this name.
    pub(crate) fn of_id(&self, id: KeyId) -> Option<Arc<ClientKey>> {
        self.0.load().by_id.get(&id).map(Arc::clone)
    }

    /// The key that a client is known by; others have names of another form.
    pub(crate) fn of_client(&self, client_id: &str) -> Option<Arc<ClientKey>> {
        let keys = self.0.load();
        // Most often there is none, and then nothing to read.
        if keys.by_id.is_empty() {
            return None;
        }
        let id: KeyId = client_id.parse().ok()?;
        keys.by_id.get(&id).map(Arc::clone)
    }

    /// Those after a name, in order.
    pub(crate) fn after(&self, last: Option<KeyId>, count: usize) -> Vec<Arc<ClientKey>> {
        let keys = self.0.load();
        let all = keys.by_id.iter();
        all.filter(|(id, _)| last.is_none_or(|last| **id > last))
            .take(count)
            .map(|(_, key)| Arc::clone(key))
            .collect()
    }

    /// All of them, in order.
    pub(crate) fn all(&self) -> Vec<Arc<ClientKey>> {
        self.after(None, usize::MAX)
    }

    /// Puts all of these in the place of those that are there.
    pub(super) fn replace(&self, keys: impl IntoIterator<Item = Arc<ClientKey>>) {
        let mut ring = Keys::default();
        for key in keys {
            ring.by_hash.insert(key.hash, Arc::clone(&key));
            ring.by_id.insert(key.id, key);
        }
        self.0.store(Arc::new(ring));
    }
}
