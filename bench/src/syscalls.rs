//! Counts a deployment's system calls under load: by `perf`, which hardly slows it, else by `strace`, which does.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::{deployment::Deployment, process::Process};

/// What counts.
#[derive(Debug, Clone)]
pub(crate) enum Counter {
    /// `perf stat`.
    Perf(PathBuf),
    /// `strace -c`.
    Strace(PathBuf),
}

impl Counter {
    /// The better one of those that work here.
    pub(crate) fn choose(perf: Option<PathBuf>, strace: Option<PathBuf>) -> Option<Self> {
        let perf = perf.filter(|perf| {
            std::process::Command::new(perf)
                .args(["stat", "-e", "raw_syscalls:sys_enter", "true"])
                .output()
                .is_ok_and(|output| output.status.success())
        });
        perf.map(Self::Perf).or(strace.map(Self::Strace))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Perf(_) => "perf",
            Self::Strace(_) => "strace",
        }
    }

    /// How many system calls the deployment makes from now until the load is done.
    ///
    /// # Errors
    ///
    /// Where it can't be counted, or the load fails.
    pub(crate) async fn count<T>(
        &self,
        deployment: &Deployment,
        load: impl Future<Output = Result<T>>,
    ) -> Result<(u64, T)> {
        let folder = tempfile::tempdir()?;
        let report = folder.path().join("report");
        let ids: Vec<String> = deployment
            .process_ids()
            .iter()
            .map(ToString::to_string)
            .collect();
        let (program, arguments) = match self {
            Self::Perf(program) => (
                program,
                [
                    &["stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p"][..],
                    &[&ids.join(",")],
                    &["-o"],
                ]
                .concat()
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
            ),
            Self::Strace(program) => (
                program,
                [
                    vec!["-c".to_owned(), "-f".to_owned()],
                    ids.iter().map(|id| format!("--attach={id}")).collect(),
                    vec!["-o".to_owned()],
                ]
                .concat(),
            ),
        };
        let mut arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        arguments.push(report.as_os_str());
        let mut counter = Process::start(program, &arguments, &[], folder.path().join("log"))?;
        // Neither says reliably when it has attached to all; what it misses of an idle process is nothing.
        tokio::time::sleep(Duration::from_millis(500)).await;
        ensure!(!counter.has_ended(), "{}", counter.last_words());
        let loaded = load.await?;
        counter.end(Signal::INT);
        Ok((self.read(&report)?, loaded))
    }

    fn read(&self, report: &Path) -> Result<u64> {
        let text = fs::read_to_string(report)?;
        let count = match self {
            Self::Perf(_) => perf_count(&text),
            Self::Strace(_) => strace_count(&text),
        };
        count.with_context(|| format!("{} reported: {text}", self.name()))
    }
}

/// The first field of the line of our event.
fn perf_count(report: &str) -> Option<u64> {
    let line = report
        .lines()
        .find(|line| line.contains("raw_syscalls:sys_enter"))?;
    line.split(',').next()?.parse().ok()
}

/// The fourth column of the last line.
fn strace_count(report: &str) -> Option<u64> {
    let line = report
        .lines()
        .rfind(|line| line.trim_end().ends_with("total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_reports_are_read() {
        assert_eq!(
            perf_count("# started\n\n1234,,raw_syscalls:sys_enter,99,100.00,,\n"),
            Some(1234)
        );
        let strace = "% time     seconds  usecs/call     calls    errors syscall\n\
                      ------ ----------- ----------- --------- --------- ----------------\n\
                      100.00    0.000150          15        10         2 read\n\
                      ------ ----------- ----------- --------- --------- ----------------\n\
                      100.00    0.000150          15        10         2 total\n";
        assert_eq!(strace_count(strace), Some(10));
    }
}
