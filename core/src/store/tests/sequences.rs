//! Any sequence of changes, with restarts between them, against the plainest possible model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{super::*, Running, cookie, reload, shown};

/// What may happen. Numbers are small, so that credentials meet.
#[derive(Debug, Clone)]
enum Step {
    Add { value: u8, mode: Adding },
    Remove { nth: usize, leaves_tombstone: bool },
    Renew { nth: usize },
    Disable { nth: usize },
    RemoveUpstream { upstream: bool },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mode = prop_oneof![
        Just(Adding::ByHand),
        Just(Adding::Configured),
        Just(Adding::UnlessRemoved)
    ];
    let step = prop_oneof![
        6 => (0..6_u8, mode).prop_map(|(value, mode)| Step::Add { value, mode }),
        3 => (0..6_usize, any::<bool>())
            .prop_map(|(nth, leaves_tombstone)| Step::Remove { nth, leaves_tombstone }),
        1 => (0..6_usize).prop_map(|nth| Step::Renew { nth }),
        1 => (0..6_usize).prop_map(|nth| Step::Disable { nth }),
        1 => any::<bool>().prop_map(|upstream| Step::RemoveUpstream { upstream }),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What should be there.
#[derive(Default)]
struct Model {
    /// By id, with what it was when it was added.
    credentials: BTreeMap<i64, (u8, StoredCredential)>,
    removed: BTreeSet<u8>,
    last_id: i64,
}

/// Odd values belong to one upstream, even ones to the other.
fn upstream_of(value: u8) -> &'static str {
    if value.is_multiple_of(2) {
        "even"
    } else {
        "odd"
    }
}

impl Model {
    fn add(&mut self, value: u8, mode: Adding) -> (StoredCredential, Added) {
        let id = self.last_id + 1;
        let credential = cookie(id, upstream_of(value), &format!("value {value}"));
        let known = self.credentials.iter().find(|(_, known)| known.0 == value);
        let added = if let Some((&known, _)) = known {
            Added::There(CredentialId::from_bits(known))
        } else if mode == Adding::UnlessRemoved && self.removed.contains(&value) {
            Added::WasRemoved
        } else {
            if mode == Adding::ByHand {
                self.removed.remove(&value);
            }
            self.last_id = id;
            self.credentials.insert(id, (value, credential.clone()));
            Added::New
        };
        (credential, added)
    }

    fn nth(&self, nth: usize) -> Option<i64> {
        self.credentials.keys().nth(nth).copied()
    }
}

async fn run(steps: Vec<Step>) {
    let folder = TempDir::new().unwrap();
    let mut running = Running::open(folder.path()).await;
    let mut model = Model::default();
    for step in steps {
        let store = &running.store;
        match step {
            Step::Add { value, mode } => {
                let (credential, expected) = model.add(value, mode);
                let added = store.add_credential(credential, mode).await;
                assert_eq!(added.unwrap(), expected);
            }
            Step::Remove {
                nth,
                leaves_tombstone,
            } => {
                let Some(id) = model.nth(nth) else { continue };
                let (value, credential) = model.credentials.remove(&id).unwrap();
                if leaves_tombstone {
                    model.removed.insert(value);
                }
                let removed = store.remove_credential(credential.id, leaves_tombstone);
                removed.await.unwrap();
            }
            Step::Renew { nth } => {
                let Some(id) = model.nth(nth) else { continue };
                let (value, credential) = model.credentials.get_mut(&id).unwrap();
                let renewed = Credential::api_key(format!("renewed {value}").into());
                credential.credential = renewed.clone();
                store
                    .replace_secret(credential.id, &credential.upstream, &renewed)
                    .await
                    .unwrap();
            }
            Step::Disable { nth } => {
                let Some(id) = model.nth(nth) else { continue };
                let (_, credential) = model.credentials.get_mut(&id).unwrap();
                credential.is_disabled = !credential.is_disabled;
                store
                    .change_credential(
                        credential.id,
                        credential.is_disabled,
                        credential.label.clone(),
                    )
                    .await
                    .unwrap();
            }
            Step::RemoveUpstream { upstream } => {
                let name = if upstream { "even" } else { "odd" };
                store.remove_upstream(name.to_owned()).await.unwrap();
                model
                    .credentials
                    .retain(|_, (_, known)| known.upstream != name);
                model.removed.retain(|&value| upstream_of(value) != name);
            }
            Step::Restart => {
                running.close().await;
                running = Running::open(folder.path()).await;
            }
        }
    }
    let loaded = reload(running, folder.path()).await;
    let loaded: Vec<_> = loaded.credentials.iter().map(shown).collect();
    let expected: Vec<_> = model
        .credentials
        .values()
        .map(|(_, credential)| shown(credential))
        .collect();
    assert_eq!(loaded, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_what_was_asked_for(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
