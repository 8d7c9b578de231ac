//! The process's runtimes: one a core, or one for all.

use std::{io, pin::Pin, thread};

use tokio::runtime::{Builder, EnterGuard, Runtime};
use tokio_util::sync::CancellationToken;

use crate::config::RuntimeKind;

/// What runs on one runtime.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The runtimes, built and idle.
#[derive(Debug)]
pub(crate) struct Runtimes {
    first: Runtime,
    others: Vec<Runtime>,
}

impl Runtimes {
    /// Builds the runtimes for this many threads.
    ///
    /// # Errors
    ///
    /// What the system refuses.
    pub(crate) fn build(kind: RuntimeKind, worker_count: usize) -> io::Result<Self> {
        match kind {
            RuntimeKind::PerCore => {
                let current_thread = || Builder::new_current_thread().enable_all().build();
                Ok(Self {
                    first: current_thread()?,
                    others: (1..worker_count)
                        .map(|_| current_thread())
                        .collect::<io::Result<_>>()?,
                })
            }
            RuntimeKind::Shared => Ok(Self {
                first: Builder::new_multi_thread()
                    .worker_threads(worker_count)
                    .enable_all()
                    .build()?,
                others: Vec::new(),
            }),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// Does work on the first runtime; what it spawns goes on when `main` does.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.first.block_on(work)
    }

    /// Enters the first, for what must be made within one.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.first.enter()
    }

    /// Runs `main` on the first runtime and this thread, and one work on each of the others and a thread of its own. When `main` has
    /// ended, the others' work is dropped.
    ///
    /// # Errors
    ///
    /// Where a thread can't be started.
    pub(crate) fn run<T>(
        self,
        main: impl Future<Output = T>,
        others: impl IntoIterator<Item = Work>,
    ) -> io::Result<T> {
        let end = CancellationToken::new();
        // Also where a thread can't be started or `main` panics.
        let end_on_return = end.clone().drop_guard();
        let mut threads = Vec::new();
        for (number, (runtime, work)) in (1..).zip(self.others.into_iter().zip(others)) {
            let end = end.clone();
            let thread = thread::Builder::new()
                .name(format!("runtime-{number}"))
                .spawn(move || {
                    llm2api_core::runtime::set_index(number);
                    runtime.block_on(async {
                        end.run_until_cancelled(work).await;
                        // What its work opened may still be used from elsewhere, and would stand still without it.
                        end.cancelled().await;
                    });
                    runtime.shutdown_background();
                })?;
            threads.push(thread);
        }
        llm2api_core::runtime::set_index(0);
        let result = self.first.block_on(main);
        self.first.shutdown_background();
        drop(end_on_return);
        for thread in threads {
            // Its panic, if any, was reported when it happened; there is nothing left to save.
            let _ = thread.join();
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn the_others_work_ends_when_main_has_ended() {
        for (kind, count) in [(RuntimeKind::PerCore, 3), (RuntimeKind::Shared, 1)] {
            let runtimes = Runtimes::build(kind, 3).unwrap();
            assert_eq!(runtimes.count(), count);
            let (started, mut starts) = mpsc::channel(3);
            let others = (1..count).map(|number| -> Work {
                let started = started.clone();
                Box::pin(async move {
                    started.send(number).await.unwrap();
                    std::future::pending().await
                })
            });
            let others: Vec<_> = others.collect();
            let main = async move {
                let mut numbers = Vec::new();
                while numbers.len() < count - 1 {
                    numbers.push(starts.recv().await.unwrap());
                }
                numbers.sort_unstable();
                numbers
            };
            let numbers = runtimes.run(main, others).unwrap();
            assert_eq!(numbers, (1..count).collect::<Vec<_>>());
        }
    }
}
