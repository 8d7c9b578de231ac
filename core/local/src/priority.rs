//! Who goes first where there are more threads than processors.

/// A thread's claim to the processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// Like that of all threads.
    Usual,
    /// Behind all other threads: those that serve clients need a processor for microseconds only, but at once.
    #[default]
    Background,
}

/// A third of the processor's time against a thread that wants all of it.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

impl Priority {
    /// Takes this priority for the calling thread.
    pub(crate) fn take(self) {
        match self {
            Self::Usual => {}
            Self::Background => {
                // On Linux a thread has a niceness of its own; elsewhere this would concern the whole process. Where it is
                // forbidden, things go on as they were.
                #[cfg(target_os = "linux")]
                let _ = rustix::process::nice(NICENESS);
            }
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn the_background_is_the_calling_thread_s_alone() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let in_background = std::thread::spawn(move || {
            Priority::Background.take();
            niceness()
        });
        assert_eq!(in_background.join().unwrap(), (before + NICENESS).min(19));
        assert_eq!(niceness(), before);
    }
}
