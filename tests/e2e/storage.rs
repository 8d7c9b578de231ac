//! What is kept: who may have it, how it is copied and put back, and what stands in the way.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use llm2api_test_support::{
    RawClient, Request,
    command::{Output, run},
    llm2api::Process,
    within,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::stage::binary;

const ADMIN_KEY: &str = "admin-key-of-the-tests";
/// No upstream listens there, and none need: what a setting adds is kept before it is checked.
const UPSTREAM_URL: &str = "http://127.0.0.1:9/v1";
const COOKIE: &str = "session=value-of-a-cookie-0123456789";

fn settings(data: &Path, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let data = data.display().to_string();
    let own = [
        ("LISTEN", "127.0.0.1:0"),
        ("GRPC_LISTEN", "127.0.0.1:0"),
        ("ADMIN_KEY", ADMIN_KEY),
        ("DATA_DIR", &data),
        ("LOG", "trace"),
        ("LOG_FORMAT", "json"),
        ("UPSTREAM_URL", UPSTREAM_URL),
    ];
    own.iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Runs a command to its end, with these settings and no others.
async fn ends(arguments: &[&str], settings: &[(String, String)]) -> Output {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env_clear()
        .envs(settings.iter().cloned())
        .kill_on_drop(true)
        .stdin(Stdio::null());
    tokio::time::timeout(Duration::from_secs(20), run(&mut command))
        .await
        .expect("it ends by itself")
}

/// Runs a command that must succeed; its output as JSON.
async fn succeeds(arguments: &[&str], settings: &[(String, String)]) -> Value {
    let output = ends(&[arguments, &["--json"]].concat(), settings).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_str(&output.stdout).unwrap()
}

/// Runs a command that must fail; what it says.
async fn fails(arguments: &[&str], settings: &[(String, String)], code: i32) -> String {
    let output = ends(arguments, settings).await;
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert_eq!(output.stdout, "");
    output.stderr
}

/// The ids of the cookies that an instance has.
async fn cookies(instance: &Process) -> Vec<String> {
    let mut client = RawClient::connect(instance.address("http").await).await;
    let request = Request::get("/cookies").header("authorization", &format!("Bearer {ADMIN_KEY}"));
    let answer = client.exchange(&request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let list: Value = serde_json::from_slice(&answer.body).unwrap();
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|cookie| cookie["kind"] != "anonymous")
        .map(|cookie| cookie["id"].as_str().unwrap().to_owned())
        .collect()
}

/// A folder in which an instance has kept a cookie, and the cookie's id.
async fn filled() -> (TempDir, String) {
    let data = TempDir::new().unwrap();
    let mut instance = Process::start(
        binary(),
        "serve",
        &settings(data.path(), &[("COOKIES", COOKIE)]),
    );
    let ids = cookies(&instance).await;
    instance.interrupt();
    assert!(instance.ended().await.success());
    assert_eq!(ids.len(), 1);
    (data, ids[0].clone())
}

/// Checks that an instance with this folder has this cookie and no other.
async fn has(data: &Path, more: &[(&str, &str)], id: &str) {
    let mut instance = Process::start(binary(), "serve", &settings(data, more));
    assert_eq!(cookies(&instance).await, [id]);
    instance.interrupt();
    assert!(instance.ended().await.success());
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_cookie_is_in_no_file_and_in_no_log_line() {
    let data = TempDir::new().unwrap();
    let settings = settings(data.path(), &[("COOKIES", COOKIE)]);
    let mut instance = Process::start(binary(), "serve", &settings);
    assert_eq!(cookies(&instance).await.len(), 1);
    let look = |log: &str| {
        let value = COOKIE.split_once('=').unwrap().1;
        assert!(!log.contains(value));
        for entry in fs::read_dir(data.path()).unwrap() {
            let path = entry.unwrap().path();
            let content = fs::read(&path).unwrap();
            let is_there = content
                .windows(value.len())
                .any(|window| window == value.as_bytes());
            assert!(!is_there, "{}", path.display());
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    };
    look(&instance.log());
    instance.interrupt();
    assert!(instance.ended().await.success());
    look(&instance.log());
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_folder() {
    let data = TempDir::new().unwrap();
    let settings = settings(data.path(), &[]);
    let first = Process::start(binary(), "serve", &settings);
    first.address("http").await;
    let expected = format!(
        "another llm2api (process {}) works with {}; end that one first, or set another DATA_DIR",
        first.id(),
        data.path().display()
    );
    let key_file = data.path().join("new.key");
    for command in [
        &["core"][..],
        &["serve"],
        &["restore", text(&key_file)],
        &["secret", "rotate"],
    ] {
        let said = fails(command, &settings, 1).await;
        assert!(said.contains(&expected), "{command:?}: {said}");
    }
}

#[tokio::test]
async fn nobody_but_root_looks_into_the_memory() {
    let data = TempDir::new().unwrap();
    let tools = TempDir::new().unwrap();
    // Root may look into everything, unless this right is taken from it; of others nothing need be taken.
    let without_right = if rustix::process::getuid().is_root() {
        "setpriv --bounding-set=-sys_ptrace "
    } else {
        ""
    };
    let program = |name: &str, command: &str| {
        let path = tools.path().join(name);
        fs::write(
            &path,
            format!("#!/bin/sh\nexec {without_right}{command} \"$@\"\n"),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let llm2api = program("llm2api", text(binary()));
    let readlink = program("readlink", "readlink --verbose");
    let sleep = program("sleep", "sleep");

    let instance = Process::start(&llm2api, "serve", &settings(data.path(), &[]));
    instance.address("http").await;
    let mut other = Command::new(sleep)
        .arg("60")
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let memory_of = async |id: u32| {
        // Whoever may read this may read all of it.
        run(Command::new(&readlink).arg(format!("/proc/{id}/fd/0"))).await
    };
    let other_id = other.id().unwrap();
    let looked = within("another program's memory to be readable", async {
        // It has become that program a moment after it was started.
        loop {
            let output = memory_of(other_id).await;
            if output.status.success() {
                break output;
            }
            tokio::task::yield_now().await;
        }
    });
    looked.await;
    other.kill().await.unwrap();

    let ours = memory_of(instance.id().try_into().unwrap()).await;
    assert!(!ours.status.success(), "{ours:?}");
    assert!(ours.stderr.contains("Permission denied"), "{ours:?}");
    let limits = fs::read_to_string(format!("/proc/{}/limits", instance.id())).unwrap();
    let core_files: Vec<_> = limits
        .lines()
        .filter(|line| line.starts_with("Max core file size"))
        .map(|line| line.split_whitespace().skip(4).collect::<Vec<_>>())
        .collect();
    assert_eq!(core_files, [["0", "0", "bytes"]]);
}

#[tokio::test]
async fn a_backup_of_a_running_instance_is_put_into_another_folder() {
    let data = TempDir::new().unwrap();
    let cookies_too = settings(data.path(), &[("COOKIES", COOKIE)]);
    let instance = Process::start(binary(), "serve", &cookies_too);
    let ids = cookies(&instance).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("backup.tar");
    let said = succeeds(&["backup", text(&file)], &cookies_too).await;
    let size = fs::metadata(&file).unwrap().len();
    assert_eq!(
        said,
        json!({"file": text(&file), "size_bytes": size, "version": 4, "cookies": 1, "key": "inside"})
    );
    assert_eq!(mode(&file), 0o600);
    assert_eq!(names(folder.path()), ["backup.tar"]);
    drop(instance);

    let said = fails(&["backup", text(&file)], &cookies_too, 1).await;
    let expected = format!(
        "llm2api: {} is there already; name another file\n",
        file.display()
    );
    assert_eq!(said, expected);

    let other = TempDir::new().unwrap();
    let of_other = settings(other.path(), &[]);
    let said = succeeds(&["restore", text(&file)], &of_other).await;
    let database = other.path().join("llm2api.db");
    assert_eq!(
        said,
        json!({"database": text(&database), "version": 4, "cookies": 1, "kept": []})
    );
    has(other.path(), &[], &ids[0]).await;
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_backup_takes_the_place_of_what_is_there_only_by_force() {
    let (theirs, their_id) = filled().await;
    let (ours, our_id) = filled().await;
    fs::write(theirs.path().join("admin.key"), "theirs\n").unwrap();
    fs::write(ours.path().join("admin.key"), "ours\n").unwrap();
    let file = theirs.path().join("backup.tar");
    succeeds(&["backup", text(&file)], &settings(theirs.path(), &[])).await;
    let of_ours = settings(ours.path(), &[]);
    let database = ours.path().join("llm2api.db");
    let said = fails(&["restore", text(&file)], &of_ours, 1).await;
    assert_eq!(
        said,
        format!(
            "llm2api: {} is there already; --force puts it aside and the backup in its place\n",
            database.display()
        )
    );
    has(ours.path(), &[], &our_id).await;

    let said = succeeds(&["restore", "--force", text(&file)], &of_ours).await;
    let aside = |name: &str| text(&ours.path().join(name)).to_owned();
    assert_eq!(
        said["kept"],
        json!([
            aside("llm2api.db.before-restore"),
            aside("secret.key.before-restore"),
            aside("admin.key.before-restore")
        ])
    );
    let read = |name: &str| fs::read_to_string(ours.path().join(name)).unwrap();
    assert_eq!(read("admin.key"), "theirs\n");
    assert_eq!(mode(&ours.path().join("admin.key")), 0o600);
    assert_eq!(read("admin.key.before-restore"), "ours\n");
    has(ours.path(), &[], &their_id).await;
}

#[tokio::test]
async fn a_backup_without_its_key_is_put_back_only_where_the_key_is() {
    let (data, id) = filled().await;
    let of_data = settings(data.path(), &[]);
    let file = data.path().join("backup.tar");
    let said = succeeds(&["backup", "--without-key", text(&file)], &of_data).await;
    assert_eq!(said["key"], "left_out");
    fs::remove_file(data.path().join("llm2api.db")).unwrap();

    let other = TempDir::new().unwrap();
    let said = fails(&["restore", text(&file)], &settings(other.path(), &[]), 1).await;
    assert!(
        said.contains("the backup can't be used, nothing was changed"),
        "{said}"
    );
    assert_eq!(names(other.path()), ["llm2api.lock"]);

    succeeds(&["restore", text(&file)], &of_data).await;
    has(data.path(), &[], &id).await;
}

#[tokio::test]
async fn a_damaged_backup_changes_nothing() {
    let (data, id) = filled().await;
    let of_data = settings(data.path(), &[]);
    let file = data.path().join("backup.tar");
    succeeds(&["backup", text(&file)], &of_data).await;
    let whole = fs::read(&file).unwrap();
    // A page in the middle of the database; then the archive's end is missing.
    let mut torn = whole.clone();
    torn[8192..12_288].fill(0xa5);
    for damaged in [torn, whole[..whole.len() / 2].to_vec(), Vec::new()] {
        fs::write(&file, damaged).unwrap();
        fails(&["restore", "--force", text(&file)], &of_data, 1).await;
        has(data.path(), &[], &id).await;
    }
    let missing = data.path().join("missing.tar");
    let said = fails(&["restore", "--force", text(&missing)], &of_data, 1).await;
    assert!(said.contains("missing.tar"), "{said}");
}

#[tokio::test]
async fn the_secret_key_is_changed_and_the_cookies_stay() {
    let (data, id) = filled().await;
    let key_file = data.path().join("secret.key");
    let old = fs::read_to_string(&key_file).unwrap();
    let of_data = settings(data.path(), &[]);
    let said = succeeds(&["secret", "rotate"], &of_data).await;
    assert_eq!(said, json!({"cookies": 1, "key_file": text(&key_file)}));
    let new = fs::read_to_string(&key_file).unwrap();
    assert_ne!(new, old);
    assert_eq!(mode(&key_file), 0o600);
    has(data.path(), &[], &id).await;

    // As a setting, from a file.
    let given = data.path().join("given.key");
    fs::rename(&key_file, &given).unwrap();
    let by_setting = settings(data.path(), &[("SECRET_KEY_FILE", text(&given))]);
    let said = fails(&["secret", "rotate"], &by_setting, 64).await;
    assert_eq!(
        said,
        "llm2api: SECRET_KEY: gives the key: say by --new-key-file FILE where the new one shall go\n"
    );
    let next = data.path().join("next.key");
    let arguments = ["secret", "rotate", "--new-key-file", text(&next)];
    let said = succeeds(&arguments, &by_setting).await;
    assert_eq!(said, json!({"cookies": 1, "key_file": text(&next)}));
    assert_eq!(mode(&next), 0o600);
    let said = fails(&["serve"], &by_setting, 1).await;
    assert!(
        said.contains("was encrypted with another secret key"),
        "{said}"
    );
    has(data.path(), &[("SECRET_KEY_FILE", text(&next))], &id).await;
    assert!(!key_file.exists());
    let said = fails(&arguments, &of_data, 64).await;
    assert!(
        said.contains("--new-key-file: is for where SECRET_KEY gives the key"),
        "{said}"
    );
}

#[tokio::test]
async fn the_database_lies_where_its_setting_says_and_belongs_to_one_process() {
    let (data, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = elsewhere.path().join("mine.db");
    let url = format!("sqlite:{}", file.display());
    let first = Process::start(
        binary(),
        "serve",
        &settings(data.path(), &[("DATABASE_URL", &url)]),
    );
    first.address("http").await;
    assert!(file.exists());
    let other_data = TempDir::new().unwrap();
    let same_database = settings(other_data.path(), &[("DATABASE_URL", &url)]);
    let said = fails(&["serve"], &same_database, 1).await;
    assert!(said.contains("or set another DATABASE_URL"), "{said}");
}

#[tokio::test]
async fn a_store_that_cannot_be_read_stops_the_start_and_is_not_touched() {
    let (data, id) = filled().await;
    let of_data = settings(data.path(), &[]);
    let database: PathBuf = data.path().join("llm2api.db");
    let key = data.path().join("secret.key");
    let aside = data.path().join("aside");

    fs::rename(&key, &aside).unwrap();
    let said = fails(&["serve"], &of_data, 1).await;
    assert!(said.contains("secret.key is missing"), "{said}");
    assert!(!key.exists());
    fs::rename(&aside, &key).unwrap();

    let whole = fs::read(&database).unwrap();
    let mut torn = whole.clone();
    torn[4096..].fill(0);
    fs::write(&database, &torn).unwrap();
    let said = fails(&["serve"], &of_data, 1).await;
    assert!(said.contains("llm2api.db is damaged"), "{said}");
    assert!(fs::read(&database).unwrap() == torn);
    fs::write(&database, whole).unwrap();
    has(data.path(), &[], &id).await;
}
