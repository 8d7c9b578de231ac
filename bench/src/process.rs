//! Processes under measurement: started, looked at through `/proc`, and ended, by their own ids only.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// How long a process may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(5);

/// A process that ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program with these arguments and nothing but these variables; what it says goes to the file `log`.
    ///
    /// # Errors
    ///
    /// Where it can't be started.
    pub(crate) fn start(
        program: &Path,
        arguments: &[&OsStr],
        variables: &[(&str, String)],
        log: PathBuf,
    ) -> Result<Self> {
        let output = File::create(&log)?;
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("can't start {}", program.display()))?;
        Ok(Self { child, log })
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, which it shouldn't have.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The last of what it said.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Tells it to end by this signal and waits; kills it where that doesn't help.
    pub(crate) fn end(&mut self, signal: Signal) {
        if self.has_ended() {
            return;
        }
        let asked = Instant::now();
        // The child has not been waited for, so its id is still its own.
        if let Ok(id) = i32::try_from(self.id())
            && let Some(pid) = Pid::from_raw(id)
            && kill_process(pid, signal).is_ok()
        {
            while asked.elapsed() < GRACE {
                if self.has_ended() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        // Both fail only where it has ended by now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asks first: nginx's workers would outlive a master that is killed.
        self.end(Signal::TERM);
    }
}

/// The ids of these processes and of all that descend from them.
pub(crate) fn tree(roots: &[u32]) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let Some(id) = id
            && let Some(stat) = Stat::read(id)
        {
            children.entry(stat.parent).or_default().push(id);
        }
    }
    let mut found = roots.to_vec();
    let mut next = 0;
    while let Some(id) = found.get(next) {
        found.extend(children.remove(id).unwrap_or_default());
        next += 1;
    }
    found
}

/// The processor time that these processes have used, user and kernel.
pub(crate) fn cpu_time(ids: &[u32]) -> Duration {
    let ticks: u64 = ids
        .iter()
        .filter_map(|id| Stat::read(*id))
        .map(|stat| stat.ticks)
        .sum();
    Duration::from_secs(ticks)
        / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100)
}

/// The memory of these processes in bytes, what they share with others counted by its share.
///
/// # Errors
///
/// Where one can't be looked into.
pub(crate) fn memory_bytes(ids: &[u32]) -> Result<u64> {
    let mut kib = 0;
    for id in ids {
        let path = format!("/proc/{id}/smaps_rollup");
        let rollup = fs::read_to_string(&path).with_context(|| format!("can't read {path}"))?;
        kib += rollup
            .lines()
            .find_map(|line| line.strip_prefix("Pss:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
            .with_context(|| format!("{path} has no Pss"))?;
    }
    Ok(kib * 1024)
}

/// What we read of `/proc/PID/stat`.
struct Stat {
    parent: u32,
    /// User and kernel time, in clock ticks.
    ticks: u64,
}

impl Stat {
    /// `None` where the process is gone.
    fn read(id: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name, in brackets, may hold anything; the fields after it are numbers. The first of them is proc(5)'s third.
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(field(4)?).ok()?,
            ticks: field(14)? + field(15)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_and_its_children_are_found_measured_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let script = OsStr::new("sleep 60 & wait");
        let mut shell = Process::start(
            Path::new("/bin/sh"),
            &[OsStr::new("-c"), script],
            &[("PATH", "/usr/bin:/bin".to_owned())],
            folder.path().join("log"),
        )
        .unwrap();
        let deadline = Instant::now() + GRACE;
        let ids = loop {
            let ids = tree(&[shell.id()]);
            if ids.len() == 2 {
                break ids;
            }
            assert!(Instant::now() < deadline, "the shell has no child");
            std::thread::yield_now();
        };
        assert!(memory_bytes(&ids).unwrap() > 0);
        let child = Pid::from_raw(i32::try_from(ids[1]).unwrap()).unwrap();
        kill_process(child, Signal::TERM).unwrap();
        shell.end(Signal::TERM);
        assert!(shell.has_ended());
    }
}
