//! On what, and with what, was measured.

use std::{fs, path::Path, process::Command};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::deployment::Parts;

/// The facts that a reader of the numbers needs, as one line of Markdown each.
pub(crate) fn facts(parts: &Parts) -> Vec<String> {
    let unknown = || "unknown".to_owned();
    let read = |path: &str| fs::read_to_string(path).ok();
    let field = |path: &str, name: &str| {
        read(path)?
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned())
    };
    let memory_gib = field("/proc/meminfo", "MemTotal:")
        .and_then(|kib| kib.strip_suffix(" kB")?.trim().parse::<u64>().ok())
        .map_or_else(unknown, |kib| format!("{} GiB", kib / (1024 * 1024)));
    vec![
        format!(
            "{}, {} cores, {memory_gib} of memory, Linux {}",
            field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            parts.core_count,
            read("/proc/sys/kernel/osrelease")
                .map_or_else(unknown, |release| release.trim().to_owned()),
        ),
        format!(
            "{} at revision {}, {}",
            output(&parts.llm2api, &["--version"]).unwrap_or_else(unknown),
            output(Path::new("git"), &["describe", "--always", "--dirty"]).unwrap_or_else(unknown),
            output(&parts.nginx, &["-v"]).unwrap_or_else(unknown),
        ),
        format!(
            "{}; load average before the start {}",
            OffsetDateTime::now_utc()
                .format(&Rfc3339)
                .unwrap_or_else(|_| unknown()),
            read("/proc/loadavg").map_or_else(unknown, |load| load
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned()),
        ),
    ]
}

/// What a program says of itself, on either stream.
fn output(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
