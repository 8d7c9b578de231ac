//! The store against real files.

mod maintenance;
mod opening;
mod sequences;
mod writing;

use std::{
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use http::HeaderValue;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    config::SecretKeySource,
    pool::{CoolingReason, CredentialSource, InvalidReason, Proof, SavedState},
    upstream::{ListedModel, Secret},
};

/// A store whose writer runs, in a folder that goes with it.
pub(crate) struct Running {
    pub(crate) store: Store,
    pub(crate) loaded: Loaded,
    ending: CancellationToken,
    writer: JoinSet<()>,
}

pub(crate) fn config(folder: &Path) -> StoreConfig {
    StoreConfig {
        file: folder.join("llm2api.db"),
        secret_key: SecretKeySource::File(folder.join("secret.key")),
    }
}

impl Running {
    pub(crate) async fn open(folder: &Path) -> Self {
        let (store, writer, loaded) = Store::open(&config(folder)).await.unwrap();
        let ending = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(writer.run(ending.clone()));
        Self {
            store,
            loaded,
            ending,
            writer: running,
        }
    }

    /// Ends the writer as the process does.
    pub(crate) async fn close(self) {
        self.ending.cancel();
        self.writer.join_all().await;
    }
}

/// What the next start finds.
pub(crate) async fn reload(running: Running, folder: &Path) -> Loaded {
    running.close().await;
    let again = Running::open(folder).await;
    let loaded = Loaded {
        upstreams: again.loaded.upstreams.clone(),
        credentials: again.loaded.credentials.clone(),
        models: again.loaded.models.clone(),
        conversations: again.loaded.conversations.clone(),
        counts: again.loaded.counts.clone(),
        authorization: again.loaded.authorization.clone(),
        keys: again.loaded.keys.clone(),
        meters: again.loaded.meters.clone(),
    };
    again.close().await;
    loaded
}

pub(super) fn cookie(number: i64, upstream: &str, value: &str) -> StoredCredential {
    StoredCredential {
        id: CredentialId::from_bits(number),
        upstream: upstream.to_owned(),
        fingerprint: None,
        credential: Secret::Cookie(value.into()).into(),
        source: CredentialSource::User,
        label: format!("label {number}"),
        is_disabled: false,
        standing: SavedStanding::UNKNOWN,
        added_at: UNIX_EPOCH + Duration::from_micros(1_790_000_000_000_001),
        last_checked_at: None,
        usage: CredentialUsage::default(),
    }
}

/// A credential as text, secrets included, to be compared as a whole but for its fingerprint, which it gets when it is added.
fn shown(credential: &StoredCredential) -> String {
    let form = credential_form::write(&credential.credential);
    let form = String::from_utf8(form.to_vec()).unwrap();
    let without_fingerprint = StoredCredential {
        fingerprint: None,
        ..credential.clone()
    };
    format!("{form} {without_fingerprint:?}")
}

#[tokio::test]
async fn credentials_are_there_again_as_they_were_added() {
    let folder = TempDir::new().unwrap();
    let running = Running::open(folder.path()).await;
    let mut full = cookie(2, "a", "hf-chat=\"quoted\"; other=\\");
    full.credential.user_agent = Some(HeaderValue::from_bytes(b"Mozilla \xff").unwrap());
    full.credential.proxy = Some("socks5h://user:word@10.0.0.1:1080".parse().unwrap());
    full.is_disabled = true;
    full.last_checked_at = Some(UNIX_EPOCH + Duration::from_secs(1_790_000_001));
    full.standing = SavedStanding {
        state: SavedState::Cooling {
            until: UNIX_EPOCH + Duration::from_secs(1_790_000_002),
            reason: CoolingReason::Quota,
        },
        proof: Proof::Answer,
        quota_streak: 3,
    };
    full.usage = CredentialUsage {
        requests: 5,
        failures: 2,
        last_error: "429".to_owned(),
        last_used_at: Some(UNIX_EPOCH + Duration::from_secs(1_790_000_003)),
    };
    let mut key = cookie(1, "b", "sk-1");
    key.credential = Credential::api_key("sk-1".into());
    key.source = CredentialSource::Config;
    let all = [key, full, cookie(i64::MAX, "a", "third")];
    // They come back by their ids, which grow with time.
    for credential in all.iter().rev() {
        let added = running
            .store
            .add_credential(credential.clone(), Adding::ByHand)
            .await;
        assert_eq!(added.unwrap(), Added::New);
    }
    let loaded = reload(running, folder.path()).await;
    let loaded: Vec<_> = loaded.credentials.iter().map(shown).collect();
    assert_eq!(loaded, all.iter().map(shown).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_upstreams_think_and_people_decide_is_there_again() {
    let folder = TempDir::new().unwrap();
    let running = Running::open(folder.path()).await;
    let store = &running.store;
    let mut expected = cookie(1, "a", "first");
    let mut untouched = cookie(2, "a", "second");
    for credential in [&expected, &untouched] {
        let added = store.add_credential(credential.clone(), Adding::ByHand);
        assert_eq!(added.await.unwrap(), Added::New);
    }

    expected.standing = SavedStanding {
        state: SavedState::Invalid {
            reason: InvalidReason::Challenge,
        },
        proof: Proof::Check,
        quota_streak: 1,
    };
    expected.last_checked_at = Some(UNIX_EPOCH + Duration::from_secs(1_790_000_001));
    let gone = CredentialId::from_bits(99);
    let standings = [expected.id, gone].map(|id| (id, expected.standing, expected.last_checked_at));
    store.save_standings(standings.to_vec()).await.unwrap();

    expected.is_disabled = true;
    expected.label = "'; DROP TABLE credential; --".to_owned();
    store
        .change_credential(expected.id, true, expected.label.clone())
        .await
        .unwrap();

    let recognised_by = store.fingerprint("a", &expected.credential);
    expected.credential = Secret::Cookie("renewed".into()).into();
    store
        .replace_secret(expected.id, "a", &expected.credential)
        .await
        .unwrap();
    // What isn't its upstream changes nothing.
    store
        .replace_secret(untouched.id, "b", &expected.credential)
        .await
        .unwrap();

    untouched.usage.requests = 1;
    let usage = vec![(untouched.id, untouched.usage.clone())];
    store.save_usage(usage).await.unwrap();

    let loaded = reload(running, folder.path()).await;
    assert_eq!(loaded.credentials[0].fingerprint, Some(recognised_by));
    let loaded: Vec<_> = loaded.credentials.iter().map(shown).collect();
    assert_eq!(loaded, [shown(&expected), shown(&untouched)]);
}

#[tokio::test]
async fn a_credential_is_added_once_to_an_upstream_and_stays_away_when_it_was_removed() {
    let folder = TempDir::new().unwrap();
    let running = Running::open(folder.path()).await;
    let store = &running.store;
    let add = async |number, upstream, mode| {
        let credential = cookie(number, upstream, "value");
        store.add_credential(credential, mode).await.unwrap()
    };
    let first = CredentialId::from_bits(1);
    assert_eq!(add(1, "a", Adding::UnlessRemoved).await, Added::New);
    assert_eq!(add(2, "b", Adding::UnlessRemoved).await, Added::New);
    for mode in [Adding::ByHand, Adding::Configured, Adding::UnlessRemoved] {
        assert_eq!(add(3, "a", mode).await, Added::There(first));
    }
    // The same secret as a key.
    let mut key = cookie(3, "a", "");
    key.credential = Credential::api_key("value".into());
    let added = store.add_credential(key, Adding::ByHand).await;
    assert_eq!(added.unwrap(), Added::There(first));
    // As something else is called after it was renewed.
    let renewed = Secret::Cookie("renewed".into()).into();
    store.replace_secret(first, "a", &renewed).await.unwrap();
    assert_eq!(add(3, "a", Adding::ByHand).await, Added::There(first));

    store.remove_credential(first, false).await.unwrap();
    assert_eq!(add(4, "a", Adding::UnlessRemoved).await, Added::New);
    let fourth = CredentialId::from_bits(4);
    store.remove_credential(fourth, true).await.unwrap();
    running.close().await;

    let running = Running::open(folder.path()).await;
    let store = &running.store;
    let add = async |number, upstream, mode| {
        let credential = cookie(number, upstream, "value");
        store.add_credential(credential, mode).await.unwrap()
    };
    assert_eq!(add(5, "a", Adding::UnlessRemoved).await, Added::WasRemoved);
    assert_eq!(add(5, "a", Adding::Configured).await, Added::New);
    let fifth = CredentialId::from_bits(5);
    store.remove_credential(fifth, false).await.unwrap();
    assert_eq!(add(6, "a", Adding::UnlessRemoved).await, Added::WasRemoved);
    assert_eq!(add(6, "a", Adding::ByHand).await, Added::New);
    let sixth = CredentialId::from_bits(6);
    store.remove_credential(sixth, false).await.unwrap();
    assert_eq!(add(7, "a", Adding::UnlessRemoved).await, Added::New);
}

#[tokio::test]
async fn an_upstream_leaves_with_all_that_belongs_to_it() {
    let folder = TempDir::new().unwrap();
    let running = Running::open(folder.path()).await;
    let store = &running.store;
    let upstream = |name: &str, settings: &[u8]| StoredUpstream {
        name: name.to_owned(),
        settings: settings.to_vec(),
    };
    let models = |upstream: &str, id: &str| StoredModels {
        upstream: upstream.to_owned(),
        models: vec![
            ListedModel {
                id: id.to_owned(),
                created: Some(i64::MIN),
            },
            ListedModel {
                id: "second".to_owned(),
                created: None,
            },
        ],
    };
    let conversation = |upstream: &str, id: &str| StoredConversation {
        upstream: upstream.to_owned(),
        id: id.to_owned(),
        credential: Secret::Cookie("of a conversation".into()).into(),
    };
    for name in ["gone", "b", "a"] {
        store.put_upstream(upstream(name, b"{}")).await.unwrap();
        store.save_models(models(name, "old")).await.unwrap();
        for id in ["1", "2"] {
            let begun = store.begin_conversation(conversation(name, id));
            begun.await.unwrap();
        }
    }
    store
        .put_upstream(upstream("b", b"\xff changed"))
        .await
        .unwrap();
    store.save_models(models("b", "new")).await.unwrap();
    let ended = store.end_conversation("b".to_owned(), "1".to_owned());
    ended.await.unwrap();
    let credential = cookie(1, "gone", "value");
    let added = store.add_credential(credential, Adding::ByHand).await;
    assert_eq!(added.unwrap(), Added::New);
    let removed = CredentialId::from_bits(1);
    store.remove_credential(removed, true).await.unwrap();
    let credential = cookie(2, "gone", "other");
    let added = store.add_credential(credential, Adding::ByHand).await;
    assert_eq!(added.unwrap(), Added::New);

    store.remove_upstream("gone".to_owned()).await.unwrap();
    // Its tombstones too.
    let credential = cookie(3, "gone", "value");
    let added = store.add_credential(credential.clone(), Adding::UnlessRemoved);
    assert_eq!(added.await.unwrap(), Added::New);

    let loaded = reload(running, folder.path()).await;
    assert_eq!(
        loaded.upstreams,
        [upstream("b", b"\xff changed"), upstream("a", b"{}")]
    );
    assert_eq!(loaded.models, [models("a", "old"), models("b", "new")]);
    let conversations: Vec<_> = loaded
        .conversations
        .iter()
        .map(|conversation| {
            let secret = conversation.credential.secret().expect("one");
            let secret = secret.expose_secret().to_owned();
            (&*conversation.upstream, &*conversation.id, secret)
        })
        .collect();
    let secret = "of a conversation".to_owned();
    let expected = [("a", "1"), ("a", "2"), ("b", "2")];
    let expected = expected.map(|(upstream, id)| (upstream, id, secret.clone()));
    assert_eq!(conversations, expected);
    let credentials: Vec<_> = loaded.credentials.iter().map(shown).collect();
    assert_eq!(credentials, [shown(&credential)]);
}
