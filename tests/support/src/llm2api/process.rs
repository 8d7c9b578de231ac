//! One process of llm2api: its log, its addresses, its end.

use std::{
    net::SocketAddr,
    path::Path,
    process::{ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinSet,
};

use crate::within;

/// A process, killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    pid: Pid,
    log: watch::Receiver<Vec<String>>,
    _reader: JoinSet<()>,
}

impl Process {
    /// Starts a subcommand with these environment variables and no others.
    ///
    /// # Panics
    ///
    /// When it can't be started.
    #[must_use]
    pub fn start(program: &Path, subcommand: &str, settings: &[(String, String)]) -> Self {
        let mut child = Command::new(program)
            .arg(subcommand)
            .env_clear()
            .envs(settings.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{error} when starting {}", program.display()));
        let stderr = child.stderr.take().expect("it was asked for");
        let (sender, log) = watch::channel(Vec::new());
        let mut reader = JoinSet::new();
        reader.spawn(read_log(stderr, sender));
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let pid = id
            .and_then(Pid::from_raw)
            .expect("a child that was not waited for has an id");
        Self {
            name: subcommand.to_owned(),
            child,
            pid,
            log,
            _reader: reader,
        }
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        let lines = self.log.borrow();
        lines
            .iter()
            .map(|line| format!("[{}] {line}\n", self.name))
            .collect()
    }

    /// The address that a line of its log names so, in a member of this name.
    ///
    /// # Panics
    ///
    /// When no line does.
    pub async fn address(&self, name: &str) -> SocketAddr {
        let mut log = self.log.clone();
        let what = format!("{} to log its {name} address", self.name);
        let found = within(
            &what,
            log.wait_for(|lines| find_address(lines, name).is_some()),
        );
        match found.await {
            Ok(lines) => find_address(&lines, name).expect("this was waited for"),
            Err(_) => panic!("{} ended before {what}:\n{}", self.name, self.log()),
        }
    }

    /// Waits until a line of its log contains this text.
    ///
    /// # Panics
    ///
    /// When none does.
    pub async fn logs(&self, text: &str) {
        let mut log = self.log.clone();
        let what = format!("{} to log {text:?}", self.name);
        let found = within(
            &what,
            log.wait_for(|lines| lines.iter().any(|line| line.contains(text))),
        );
        assert!(
            found.await.is_ok(),
            "{} ended before {what}:\n{}",
            self.name,
            self.log()
        );
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to stop like a person at a terminal.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Asks it to read its configuration anew.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Ends it in the middle of whatever it does, and waits until it is gone.
    pub(super) async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid, signal).expect("the process is still there");
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub async fn ended(&mut self) -> ExitStatus {
        let what = format!("{} to end", self.name);
        within(&what, self.child.wait())
            .await
            .expect("a child can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint!("{}", self.log());
        }
    }
}

async fn read_log(stderr: impl AsyncRead + Unpin, log: watch::Sender<Vec<String>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.send_modify(|log| log.push(line));
    }
}

/// The address in the first line of JSON whose `fields` have a member of this name.
fn find_address(lines: &[String], name: &str) -> Option<SocketAddr> {
    lines.iter().find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line.get("fields")?.get(name)?.as_str()?.parse().ok()
    })
}
