//! Copies of the database, and a change of its key, interrupted anywhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::{super::*, Running, config, cookie, reload, shown};
use crate::config::SecretKeySource;

async fn fill(folder: &Path, value: &str) {
    let running = Running::open(folder).await;
    let added = running
        .store
        .add_credential(cookie(1, "a", value), Adding::ByHand);
    assert_eq!(added.await.unwrap(), Added::New);
    let upstream = StoredUpstream {
        name: "a".to_owned(),
        settings: value.into(),
    };
    running.store.put_upstream(upstream).await.unwrap();
    let conversation = StoredConversation {
        upstream: "a".to_owned(),
        id: "1".to_owned(),
        credential: Credential::api_key(value.into()),
    };
    running
        .store
        .begin_conversation(conversation)
        .await
        .unwrap();
    running.close().await;
}

/// Checks that what a folder holds was filled with this value.
async fn holds(folder: &Path, value: &str) {
    let running = Running::open(folder).await;
    let loaded = reload(running, folder).await;
    let credentials: Vec<_> = loaded.credentials.iter().map(shown).collect();
    assert_eq!(credentials, [shown(&cookie(1, "a", value))]);
    assert_eq!(loaded.upstreams[0].settings, value.as_bytes());
    let secret = loaded.conversations[0].credential.secret().unwrap();
    assert_eq!(secret.expose_secret(), value);
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into())
        .collect();
    names.sort();
    names
}

fn key(folder: &Path) -> String {
    fs::read_to_string(folder.join("secret.key")).unwrap()
}

#[tokio::test]
async fn a_copy_beside_a_running_writer_has_all_that_was_acknowledged() {
    let folder = TempDir::new().unwrap();
    let running = Running::open(folder.path()).await;
    let added = running
        .store
        .add_credential(cookie(1, "a", "value"), Adding::ByHand);
    assert_eq!(added.await.unwrap(), Added::New);
    let copy = folder.path().join("copy.db");
    let contents = maintenance::copy_database(&config(folder.path()), &copy)
        .await
        .unwrap();
    assert_eq!(
        (contents.version, contents.credential_count),
        (database::newest_version(), 1)
    );
    let again = maintenance::copy_database(&config(folder.path()), &copy).await;
    assert!(matches!(again, Err(StoreError::File { .. })), "{again:?}");
    let read = maintenance::read_through(&copy, &config(folder.path()).secret_key).await;
    assert_eq!(read.unwrap().credential_count, 1);
    // It goes on meanwhile.
    let added = running
        .store
        .add_credential(cookie(2, "a", "other"), Adding::ByHand);
    assert_eq!(added.await.unwrap(), Added::New);
    running.close().await;
}

#[tokio::test]
async fn a_copy_without_the_right_key_is_not_made() {
    let folder = TempDir::new().unwrap();
    fill(folder.path(), "value").await;
    let copy = folder.path().join("copy.db");
    let mut config = config(folder.path());
    config.secret_key = SecretKeySource::Given(SecretKey::random().unwrap());
    let copied = maintenance::copy_database(&config, &copy).await;
    assert!(
        matches!(copied, Err(StoreError::WrongKey { .. })),
        "{copied:?}"
    );
    assert!(!copy.exists());
}

#[tokio::test]
async fn a_copy_takes_the_place_of_what_is_there_which_stays_beside_it() {
    let (theirs, ours) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fill(theirs.path(), "of the copy").await;
    fill(ours.path(), "of before").await;
    let copy = ours.path().join("copy.db");
    let contents = maintenance::copy_database(&config(theirs.path()), &copy)
        .await
        .unwrap();
    let kept = maintenance::replace(&config(ours.path()), &copy, Some(&contents.key))
        .await
        .unwrap();
    let beside = |name: &str| Some(ours.path().join(name));
    let expected = maintenance::Kept {
        database: beside("llm2api.db.before-restore"),
        key_file: beside("secret.key.before-restore"),
    };
    assert_eq!(kept, expected);
    holds(ours.path(), "of the copy").await;

    // And back again.
    let key_before = secret_key::read(&kept.key_file.unwrap()).unwrap().unwrap();
    let before = kept.database.unwrap();
    let back = maintenance::replace(&config(ours.path()), &before, Some(&key_before)).await;
    let expected = maintenance::Kept {
        database: beside("llm2api.db.before-restore-2"),
        key_file: beside("secret.key.before-restore-2"),
    };
    assert_eq!(back.unwrap(), expected);
    holds(ours.path(), "of before").await;
}

#[tokio::test]
async fn a_copy_takes_its_place_where_nothing_was() {
    let (theirs, ours) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fill(theirs.path(), "value").await;
    let copy = ours.path().join("copy.db");
    let contents = maintenance::copy_database(&config(theirs.path()), &copy)
        .await
        .unwrap();
    let kept = maintenance::replace(&config(ours.path()), &copy, Some(&contents.key)).await;
    let nothing = maintenance::Kept {
        database: None,
        key_file: None,
    };
    assert_eq!(kept.unwrap(), nothing);
    assert_eq!(
        names(ours.path()),
        ["llm2api.db", "secret.key"].map(PathBuf::from)
    );
    holds(ours.path(), "value").await;
}

#[tokio::test]
async fn a_new_key_opens_all_and_the_old_one_nothing() {
    let folder = TempDir::new().unwrap();
    fill(folder.path(), "value").await;
    let old = key(folder.path());
    let contents = maintenance::rotate_key(&config(folder.path()), None)
        .await
        .unwrap();
    assert_eq!(contents.credential_count, 1);
    assert_ne!(key(folder.path()), old);
    assert_eq!(
        names(folder.path()),
        ["llm2api.db", "secret.key"].map(PathBuf::from)
    );
    // What was added is recognised still.
    let running = Running::open(folder.path()).await;
    let again = cookie(2, "a", "value");
    let added = running.store.add_credential(again, Adding::ByHand).await;
    assert_eq!(added.unwrap(), Added::There(CredentialId::from_bits(1)));
    running.close().await;
    holds(folder.path(), "value").await;

    fs::write(folder.path().join("secret.key"), old).unwrap();
    let opened = Store::open(&config(folder.path())).await;
    assert!(matches!(opened, Err(StoreError::WrongKey { .. })));
}

#[tokio::test]
async fn a_key_that_is_given_is_changed_into_a_file() {
    let folder = TempDir::new().unwrap();
    fill(folder.path(), "value").await;
    let given = |text: &str| {
        let mut config = config(folder.path());
        config.secret_key = SecretKeySource::Given(SecretKey::from_base64(text).unwrap());
        config
    };
    let old = given(&key(folder.path()));
    fs::remove_file(folder.path().join("secret.key")).unwrap();
    let nowhere = maintenance::rotate_key(&old, None).await;
    assert!(
        matches!(nowhere, Err(StoreError::NoPlaceForKey)),
        "{nowhere:?}"
    );
    let taken = folder.path().join("taken");
    fs::write(&taken, "theirs").unwrap();
    let refused = maintenance::rotate_key(&old, Some(&taken)).await;
    assert!(
        matches!(refused, Err(StoreError::File { .. })),
        "{refused:?}"
    );
    assert_eq!(fs::read_to_string(&taken).unwrap(), "theirs");

    let new_key_file = folder.path().join("new.key");
    maintenance::rotate_key(&old, Some(&new_key_file))
        .await
        .unwrap();
    assert!(matches!(
        Store::open(&old).await,
        Err(StoreError::WrongKey { .. })
    ));
    fs::rename(new_key_file, folder.path().join("secret.key")).unwrap();
    holds(folder.path(), "value").await;
}

#[tokio::test]
async fn a_change_of_the_key_that_was_interrupted_is_ended_by_the_next_start() {
    let folder = TempDir::new().unwrap();
    fill(folder.path(), "value").await;
    let pending = folder.path().join("secret.key.new");

    // Before the database was changed: the old key holds.
    let old = key(folder.path());
    let never_used = SecretKey::random().unwrap().to_base64();
    fs::write(&pending, never_used.expose_secret()).unwrap();
    holds(folder.path(), "value").await;
    assert_eq!(key(folder.path()), old);
    assert!(!pending.exists());

    // After it was changed: the new key lies beside its place.
    maintenance::rotate_key(&config(folder.path()), None)
        .await
        .unwrap();
    let new = key(folder.path());
    fs::rename(folder.path().join("secret.key"), &pending).unwrap();
    fs::write(folder.path().join("secret.key"), &old).unwrap();
    holds(folder.path(), "value").await;
    assert_eq!(key(folder.path()), new);
    assert!(!pending.exists());

    // The same where there was no key before.
    fs::rename(folder.path().join("secret.key"), &pending).unwrap();
    holds(folder.path(), "value").await;
    assert_eq!(key(folder.path()), new);
}

#[tokio::test]
async fn what_is_copied_before_a_migration_can_be_read_and_the_first_copy_stays() {
    let folder = TempDir::new().unwrap();
    fill(folder.path(), "value").await;
    let config = config(folder.path());
    let mut connection = database::open(&config.file).await.unwrap();
    database::copy_before_migration(&mut connection, &config.file, 7)
        .await
        .unwrap();
    let copy = folder.path().join("llm2api.db.version-7");
    let read = maintenance::read_through(&copy, &config.secret_key).await;
    assert_eq!(read.unwrap().credential_count, 1);

    let first = fs::read(&copy).unwrap();
    connection.close().await.unwrap();
    fill_more(folder.path()).await;
    let mut connection = database::open(&config.file).await.unwrap();
    database::copy_before_migration(&mut connection, &config.file, 7)
        .await
        .unwrap();
    assert!(fs::read(&copy).unwrap() == first);
}

async fn fill_more(folder: &Path) {
    let running = Running::open(folder).await;
    let added = running
        .store
        .add_credential(cookie(2, "a", "another"), Adding::ByHand);
    assert_eq!(added.await.unwrap(), Added::New);
    running.close().await;
}
