//! The process's memory: cookies and keys are in it, and nobody else shall read them there.

/// Lets no other process of the same user look in, and the kernel write no core file when the process breaks.
pub(crate) fn close_to_others() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};

        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!(%error, "other processes of this user can read this one's memory");
        }
    }
    let none = rustix::process::Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Core, none) {
        tracing::warn!(%error, "a crash may write this process's memory into a core file");
    }
}
