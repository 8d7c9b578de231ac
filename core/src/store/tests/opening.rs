//! What stands against opening, and that nothing is changed by it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use sqlx::{ConnectOptions, Connection, query, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::{super::*, Running, config, cookie, shown};
use crate::{config::SecretKeySource, upstream::Secret};

/// All files of a folder, by name.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        // A log may go meanwhile: what could not be opened whole is closed by the connection's own thread.
        .filter_map(|path| Some((path.clone(), fs::read(path).ok()?)))
        .collect()
}

/// Why a store doesn't open. What was in its folder is as it was.
async fn refusal(folder: &Path, config: &StoreConfig) -> StoreError {
    let before = files(folder);
    let Err(error) = Store::open(config).await else {
        panic!("it opens");
    };
    let mut after = files(folder);
    // Empty ones stay where the file is too broken for SQLite to tidy up.
    let logs = ["llm2api.db-wal", "llm2api.db-shm"].map(|name| folder.join(name));
    after.retain(|path, _| before.contains_key(path) || !logs.contains(path));
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>()
    );
    assert!(before == after, "what was there is changed by: {error}");
    error
}

/// A folder with a store that has a credential in it.
async fn filled() -> TempDir {
    let folder = TempDir::new().unwrap();
    let running = Running::open(folder.path()).await;
    let credential = cookie(1, "a", "value");
    let added = running.store.add_credential(credential, Adding::ByHand);
    assert_eq!(added.await.unwrap(), Added::New);
    running.close().await;
    folder
}

/// Does something to a database that no version of ours does.
async fn tamper(folder: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(config(folder).file);
    let mut connection = options.connect().await.unwrap();
    query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_wrong_key_is_told_apart_and_changes_nothing() {
    let folder = filled().await;
    let file = config(folder.path()).file;
    let mut config = config(folder.path());
    config.secret_key = SecretKeySource::Given(SecretKey::random().unwrap());
    let error = refusal(folder.path(), &config).await;
    assert_eq!(
        error.to_string(),
        format!(
            "{} was encrypted with another secret key; nothing was changed: set SECRET_KEY to that key, or put its secret.key back",
            file.display()
        )
    );
}

#[tokio::test]
async fn a_key_that_is_given_is_written_nowhere() {
    let folder = TempDir::new().unwrap();
    let mut config = config(folder.path());
    let key = SecretKey::random().unwrap();
    config.secret_key = SecretKeySource::Given(key.clone());
    let (_, writer, _) = Store::open(&config).await.unwrap();
    writer.connection.close().await.unwrap();
    let names: Vec<_> = files(folder.path()).into_keys().collect();
    assert_eq!(names, [folder.path().join("llm2api.db")]);
    Store::open(&config).await.unwrap();
}

#[tokio::test]
async fn a_database_without_its_key_gets_no_new_one() {
    let folder = filled().await;
    fs::remove_file(folder.path().join("secret.key")).unwrap();
    let error = refusal(folder.path(), &config(folder.path())).await;
    assert!(matches!(error, StoreError::KeyMissing { .. }), "{error}");

    fs::write(folder.path().join("secret.key"), "no key\n").unwrap();
    let error = refusal(folder.path(), &config(folder.path())).await;
    assert_eq!(
        error.to_string(),
        format!(
            "{} holds no key; put back what was there: 32 bytes in base64",
            folder.path().join("secret.key").display()
        )
    );
}

#[tokio::test]
async fn a_damaged_database_is_told_apart_and_changes_nothing() {
    let damages: [fn(&mut Vec<u8>); 3] = [
        // All but the first page, which tells what it is.
        |content| content[4096..].fill(0xa5),
        |content| content.truncate(content.len() / 2),
        |content| content.fill(b'x'),
    ];
    for damage in damages {
        let folder = filled().await;
        let file = config(folder.path()).file;
        let mut content = fs::read(&file).unwrap();
        damage(&mut content);
        fs::write(&file, content).unwrap();
        let error = refusal(folder.path(), &config(folder.path())).await;
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_record_that_was_moved_to_another_row_does_not_open() {
    let folder = filled().await;
    tamper(folder.path(), "UPDATE credential SET upstream = 'b'").await;
    let error = refusal(folder.path(), &config(folder.path())).await;
    assert_eq!(
        error.to_string(),
        format!(
            "{} is damaged (a credential can't be read); nothing was changed: restore a backup, or move the file away to begin without it",
            config(folder.path()).file.display()
        )
    );
}

#[tokio::test]
async fn a_newer_database_is_told_apart_and_changes_nothing() {
    let folder = filled().await;
    tamper(
        folder.path(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (99999, 'of tomorrow', 1, x'00', 1)",
    )
    .await;
    let error = refusal(folder.path(), &config(folder.path())).await;
    assert_eq!(
        error.to_string(),
        format!(
            "{} was written by a newer llm2api (its version is 99999, this one knows {}); nothing was changed: run that one, or restore a backup that is older",
            config(folder.path()).file.display(),
            database::newest_version()
        )
    );
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let folder = TempDir::new().unwrap();
    fs::write(config(folder.path()).file, "").unwrap();
    tamper(folder.path(), "CREATE TABLE theirs (id INTEGER)").await;
    let error = refusal(folder.path(), &config(folder.path())).await;
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told() {
    let folder = TempDir::new().unwrap();
    let config = config(&folder.path().join("missing"));
    let error = refusal(folder.path(), &config).await;
    assert!(matches!(error, StoreError::File { .. }), "{error:?}");
}

#[tokio::test]
async fn a_first_start_that_was_interrupted_is_begun_anew() {
    // After the key, and after the empty database.
    for with_database in [false, true] {
        let folder = TempDir::new().unwrap();
        let config = config(folder.path());
        secret_key::find_or_make(&config.secret_key).unwrap();
        if with_database {
            fs::write(&config.file, "").unwrap();
        }
        Running::open(folder.path()).await.close().await;
    }
}

#[tokio::test]
async fn all_files_are_for_their_owner_only() {
    let folder = TempDir::new().unwrap();
    // As an operator may have made it.
    let file = config(folder.path()).file;
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let running = Running::open(folder.path()).await;
    let credential = cookie(1, "a", "value");
    let added = running.store.add_credential(credential, Adding::ByHand);
    assert_eq!(added.await.unwrap(), Added::New);
    let modes: Vec<_> = files(folder.path())
        .into_keys()
        .map(|path| {
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            (path.file_name().unwrap().to_owned(), mode)
        })
        .collect();
    let expected = [
        "llm2api.db",
        "llm2api.db-shm",
        "llm2api.db-wal",
        "secret.key",
    ];
    assert_eq!(modes, expected.map(|name| (name.into(), 0o600)));
    running.close().await;
}

#[tokio::test]
async fn nothing_secret_is_in_clear_in_any_file() {
    const SECRETS: [&str; 6] = [
        "value-of-a-cookie",
        "sk-of-an-upstream",
        "agent-of-a-session",
        "word-of-a-proxy",
        "cookie-of-a-conversation",
        "renewed-cookie",
    ];
    let folder = TempDir::new().unwrap();
    let running = Running::open(folder.path()).await;
    let store = &running.store;
    let mut credential = cookie(1, "a", SECRETS[0]);
    credential.credential.user_agent = Some(SECRETS[2].parse().unwrap());
    let proxy = format!("http://user:{}@10.0.0.1", SECRETS[3]);
    credential.credential.proxy = Some(proxy.parse().unwrap());
    let added = store.add_credential(credential.clone(), Adding::ByHand);
    assert_eq!(added.await.unwrap(), Added::New);
    let upstream = StoredUpstream {
        name: "a".to_owned(),
        settings: SECRETS[1].into(),
    };
    store.put_upstream(upstream).await.unwrap();
    let conversation = StoredConversation {
        upstream: "a".to_owned(),
        id: "1".to_owned(),
        credential: Secret::Cookie(SECRETS[4].into()).into(),
    };
    store.begin_conversation(conversation).await.unwrap();
    let renewed = Secret::Cookie(SECRETS[5].into()).into();
    store
        .replace_secret(credential.id, "a", &renewed)
        .await
        .unwrap();

    // With the log, and without.
    let look = || {
        for (path, content) in files(folder.path()) {
            for secret in SECRETS {
                let is_there = content
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes());
                assert!(!is_there, "{secret} is in {}", path.display());
            }
        }
    };
    look();
    assert!(shown(&credential).contains(SECRETS[0]));
    running.close().await;
    look();
}
