//! How many sockets this process may hold.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one, which the processes started afterwards inherit.
///
/// # Panics
///
/// When fewer than `needed` are allowed: the test that asks could not tell anything.
pub fn allow(needed: u64) {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .expect("a soft limit may be raised to the hard one");
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    assert!(
        allowed >= needed,
        "this test needs {needed} open files, `ulimit -Hn` allows {allowed}"
    );
}
