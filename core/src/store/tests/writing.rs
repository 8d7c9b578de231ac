//! How changes are made: together, acknowledged when they hold, each failing alone.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use futures_util::future::join_all;
use sqlx::{query, query_scalar};
use tempfile::TempDir;

use super::{super::*, Running, config, cookie, reload, shown};

/// The folder in which a child of this test adds credentials.
const FOLDER_OF_CHILD: &str = "LLM2API_TEST_FOLDER_OF_CHILD";

#[test]
fn what_was_acknowledged_is_there_after_the_process_was_killed() {
    if let Ok(folder) = env::var(FOLDER_OF_CHILD) {
        return add_until_killed(folder.as_ref());
    }
    let folder = TempDir::new().unwrap();
    let mut acknowledged = 0;
    for round in 1..=3 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg("store::tests::writing::what_was_acknowledged_is_there_after_the_process_was_killed")
            .env(FOLDER_OF_CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // It is in the middle of the next ones when these are read.
        for line in lines.by_ref() {
            let line = line.unwrap();
            let Some((_, id)) = line.split_once("added ") else {
                continue;
            };
            acknowledged = id.parse().unwrap();
            if acknowledged >= round * 100 {
                break;
            }
        }
        child.kill().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some(id) = line.strip_prefix("added ") {
                acknowledged = id.parse().unwrap();
            }
        }
        child.wait().unwrap();
    }

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let loaded = runtime.block_on(async {
        let running = Running::open(folder.path()).await;
        reload(running, folder.path()).await
    });
    let there: Vec<_> = loaded.credentials.iter().map(shown).collect();
    assert!(acknowledged >= 300);
    // What was under way may be there too; nothing is there by half.
    let all: Vec<_> = (1..=there.len().try_into().unwrap())
        .map(numbered)
        .collect();
    assert!(all.len() >= usize::try_from(acknowledged).unwrap());
    assert_eq!(there, all.iter().map(shown).collect::<Vec<_>>());
}

fn numbered(number: i64) -> StoredCredential {
    cookie(number, "a", &format!("value {number}"))
}

/// Goes on where an earlier one was killed, and tells of each credential once it is kept.
fn add_until_killed(folder: &std::path::Path) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let running = Running::open(folder).await;
        let first = running.loaded.credentials.len() + 1;
        for number in first.try_into().unwrap().. {
            let added = running
                .store
                .add_credential(numbered(number), Adding::ByHand);
            assert_eq!(added.await.unwrap(), Added::New);
            println!("added {number}");
        }
    });
}

#[tokio::test]
async fn a_full_disk_fails_what_has_no_room_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let (store, mut writer, _) = Store::open(&config(folder.path())).await.unwrap();
    let pages: i64 = query_scalar("PRAGMA page_count")
        .fetch_one(&mut writer.connection)
        .await
        .unwrap();
    // As if the disk had room for some pages more.
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 8));
    query(limit).execute(&mut writer.connection).await.unwrap();
    let ending = tokio_util::sync::CancellationToken::new();
    let mut running = tokio::task::JoinSet::new();
    running.spawn(writer.run(ending.clone()));

    let large = cookie(1, "a", &"x".repeat(100_000));
    let changes = [large, numbered(2), numbered(3)]
        .map(|credential| store.add_credential(credential, Adding::ByHand));
    let results = join_all(changes).await;
    let file = config(folder.path()).file;
    assert_eq!(
        results[0].as_ref().unwrap_err().to_string(),
        format!(
            "{} can't grow: the disk is full; make room, nothing that was kept is lost",
            file.display()
        )
    );
    assert!(matches!(results[1..], [Ok(Added::New), Ok(Added::New)]));
    // It goes on.
    store
        .remove_credential(numbered(2).id, false)
        .await
        .unwrap();
    ending.cancel();
    running.join_all().await;

    let again = Running::open(folder.path()).await;
    let loaded = reload(again, folder.path()).await;
    let loaded: Vec<_> = loaded.credentials.iter().map(shown).collect();
    assert_eq!(loaded, [shown(&numbered(3))]);
}

#[tokio::test]
async fn what_was_handed_in_before_the_end_is_kept_and_later_changes_are_refused() {
    let folder = TempDir::new().unwrap();
    let (store, writer, _) = Store::open(&config(folder.path())).await.unwrap();
    let ending = tokio_util::sync::CancellationToken::new();
    ending.cancel();
    // More than a batch, all in the queue before the writer begins.
    let changes = (1..=200).map(|number| store.add_credential(numbered(number), Adding::ByHand));
    let (results, ()) = tokio::join!(biased; join_all(changes), writer.run(ending));
    let results: Result<Vec<_>, _> = results.into_iter().collect();
    assert_eq!(results.unwrap(), [Added::New; 200]);
    let late = store.add_credential(numbered(201), Adding::ByHand).await;
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    // The log is in the database.
    assert!(!database::beside(&config(folder.path()).file, "-wal").exists());
    let running = Running::open(folder.path()).await;
    assert_eq!(running.loaded.credentials.len(), 200);
    running.close().await;
}

#[tokio::test]
async fn standings_of_ten_thousand_credentials_are_saved_in_one_go() {
    const COUNT: i64 = 10_000;
    let folder = TempDir::new().unwrap();
    let running = Running::open(folder.path()).await;
    let store = &running.store;
    let added = join_all(
        (1..=COUNT).map(|number| store.add_credential(numbered(number), Adding::Configured)),
    );
    let added: Result<Vec<_>, _> = added.await.into_iter().collect();
    assert!(added.unwrap().iter().all(|added| *added == Added::New));
    let checked_at = Some(std::time::UNIX_EPOCH + Duration::from_secs(1_790_000_000));
    let standing = SavedStanding {
        quota_streak: 9,
        ..SavedStanding::UNKNOWN
    };
    let ids = (1..=COUNT).map(CredentialId::from_bits);
    let standings = ids.map(|id| (id, standing, checked_at)).collect();
    store.save_standings(standings).await.unwrap();
    let loaded = reload(running, folder.path()).await;
    assert_eq!(loaded.credentials.len(), 10_000);
    for credential in &loaded.credentials {
        assert_eq!(credential.standing, standing);
        assert_eq!(credential.last_checked_at, checked_at);
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_written_says_why() {
    let folder = TempDir::new().unwrap();
    let file = config(folder.path()).file;
    let read_only = format!(
        "{} can't be written: the file, its folder or its disk is read-only for us; change its owner or its mount",
        file.display()
    );
    let locked = format!(
        "{} is locked by another process; end that one first",
        file.display()
    );
    for (pragma, is_locked, expected) in [
        // As a read-only disk does.
        ("PRAGMA query_only = ON", false, read_only),
        ("PRAGMA busy_timeout = 1", true, locked),
    ] {
        let (store, mut writer, _) = Store::open(&config(folder.path())).await.unwrap();
        query(pragma).execute(&mut writer.connection).await.unwrap();
        let options = database::options(&file).unwrap();
        let mut other = sqlx::ConnectOptions::connect(&options).await.unwrap();
        if is_locked {
            query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        }
        let ending = tokio_util::sync::CancellationToken::new();
        ending.cancel();
        let (added, ()) = tokio::join!(
            biased;
            store.add_credential(numbered(1), Adding::ByHand),
            writer.run(ending)
        );
        assert_eq!(added.unwrap_err().to_string(), expected);
    }
}
