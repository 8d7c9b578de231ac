//! The one who writes: takes what is to be changed from its queues, many at a time, and tells each caller when it is on the disk.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use sqlx::{Connection, SqliteConnection, query};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{Added, StoreError, change::Change, counts, traces};

/// Changes that one transaction makes: many share one wait for the disk, and who comes next doesn't wait long.
const BATCH: usize = 64;
/// How often what has grown old is removed.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);

/// What a change came to: of an addition how it went, of all others nothing.
pub(super) type Made = Result<Option<Added>, StoreError>;

/// A change, and who waits for it.
#[derive(Debug)]
pub(super) struct Job {
    /// What to do.
    pub(super) change: Change,
    /// Told once it is committed, or can't be. Whoever has left is not told.
    pub(super) done: oneshot::Sender<Made>,
}

/// Owns the connection. Must be run for anything to be kept.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(super) file: PathBuf,
    pub(super) connection: SqliteConnection,
    /// Changes that must survive a power cut once they are acknowledged.
    pub(super) durable: mpsc::Receiver<Job>,
    /// Changes that must only survive the process: a chat waits for them, or there are many, and none is worth a wait for the disk.
    pub(super) quick: mpsc::Receiver<Job>,
    /// Told whether the last change could be made.
    pub(super) is_well: watch::Sender<bool>,
    /// How many could not.
    pub(super) errors: Arc<AtomicU64>,
}

/// What holds for a transaction.
#[derive(Debug, Clone, Copy)]
enum Durability {
    /// It is on the disk when it is committed.
    Disk,
    /// It is with the operating system when it is committed.
    System,
}

impl Writer {
    /// Makes changes until `ending` is cancelled, or every [`Store`](super::Store) is gone; then those that wait, and closes the database.
    ///
    /// Dropped before that, it leaves the transaction that is under way undone, and nobody is told that it was made.
    pub(crate) async fn run(mut self, ending: CancellationToken) {
        let mut pruning = tokio::time::interval(PRUNE_INTERVAL);
        let (mut durable, mut quick) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        let (mut has_durable, mut has_quick) = (true, true);
        while has_durable || has_quick {
            // In turn by chance, so that neither queue waits for long while the other is full.
            tokio::select! {
                count = self.durable.recv_many(&mut durable, BATCH), if has_durable => {
                    has_durable = count > 0;
                    self.make(&mut durable, Durability::Disk).await;
                }
                count = self.quick.recv_many(&mut quick, BATCH), if has_quick => {
                    has_quick = count > 0;
                    self.make(&mut quick, Durability::System).await;
                }
                _ = pruning.tick() => self.prune().await,
                () = ending.cancelled(), if !self.durable.is_closed() => {
                    self.durable.close();
                    self.quick.close();
                }
            }
        }
        // Writes the log into the database, and removes it.
        if let Err(error) = self.connection.close().await {
            let error = StoreError::database(&self.file, error);
            tracing::warn!(%error, "the database could not be closed; the next start does what is left");
        }
    }

    /// Makes all these changes in one transaction; where the disk has no room for all, each in its own, so that those which are too
    /// large fail alone.
    async fn make(&mut self, jobs: &mut Vec<Job>, durability: Durability) {
        if jobs.is_empty() {
            return;
        }
        match self.transact(jobs, durability).await {
            Ok(results) => {
                for (job, result) in jobs.drain(..).zip(results) {
                    self.tell(job, result);
                }
            }
            Err(StoreError::Full { .. }) if jobs.len() > 1 => {
                for job in jobs.drain(..) {
                    let result = self.transact(std::slice::from_ref(&job), durability).await;
                    let result = result.and_then(|results| {
                        results
                            .into_iter()
                            .next()
                            .unwrap_or(Err(StoreError::Closed))
                    });
                    self.tell(job, result);
                }
            }
            Err(error) => {
                for job in jobs.drain(..) {
                    self.tell(job, Err(error.clone()));
                }
            }
        }
    }

    fn tell(&self, job: Job, result: Result<Option<Added>, StoreError>) {
        let is_well = result.is_ok();
        if !is_well {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        self.is_well
            .send_if_modified(|known| std::mem::replace(known, is_well) != is_well);
        // Who asked may have left.
        let _ = job.done.send(result);
    }

    /// One transaction, in which a change that fails is undone alone.
    ///
    /// sqlx's own `Transaction` is not used: where SQLite itself has rolled one back, as it may on a full disk, it believes for ever to be
    /// in the middle of it.
    async fn transact(
        &mut self,
        jobs: &[Job],
        durability: Durability,
    ) -> Result<Vec<Made>, StoreError> {
        let transacted = self.try_transact(jobs, durability).await;
        transacted.map_err(|error| StoreError::database(&self.file, error))
    }

    async fn try_transact(
        &mut self,
        jobs: &[Job],
        durability: Durability,
    ) -> sqlx::Result<Vec<Made>> {
        self.execute(match durability {
            Durability::Disk => "PRAGMA synchronous = FULL",
            Durability::System => "PRAGMA synchronous = NORMAL",
        })
        .await?;
        self.execute("BEGIN IMMEDIATE").await?;
        let results = self.apply_each(jobs).await;
        self.end(results).await
    }

    /// Ends the transaction that is under way: all that was done in it holds, or nothing does.
    async fn end<T>(&mut self, done: sqlx::Result<T>) -> sqlx::Result<T> {
        let committed = match done {
            Ok(value) => self.execute("COMMIT").await.map(|()| value),
            Err(error) => Err(error),
        };
        if committed.is_err() {
            // Fails where SQLite has done it already.
            let _ = self.execute("ROLLBACK").await;
        }
        committed
    }

    async fn apply_each(&mut self, jobs: &[Job]) -> sqlx::Result<Vec<Made>> {
        let mut results = Vec::with_capacity(jobs.len());
        for job in jobs {
            self.execute("SAVEPOINT change").await?;
            let result = match job.change.apply(&mut self.connection).await {
                Ok(added) => Ok(added),
                Err(error) if self.execute("ROLLBACK TO change").await.is_ok() => {
                    Err(StoreError::database(&self.file, error))
                }
                // There is no transaction any more.
                Err(error) => return Err(error),
            };
            results.push(result);
            self.execute("RELEASE change").await?;
        }
        Ok(results)
    }

    async fn prune(&mut self) {
        if let Err(error) = self.try_prune().await {
            let error = StoreError::database(&self.file, error);
            tracing::warn!(%error, "what has grown old could not be removed");
        }
    }

    async fn try_prune(&mut self) -> sqlx::Result<()> {
        self.execute("BEGIN IMMEDIATE").await?;
        let pruned = self.prune_all(SystemTime::now()).await;
        self.end(pruned).await
    }

    async fn prune_all(&mut self, now: SystemTime) -> sqlx::Result<()> {
        counts::prune(&mut self.connection, now).await?;
        traces::prune(&mut self.connection, now).await
    }

    async fn execute(&mut self, statement: &'static str) -> sqlx::Result<()> {
        query(statement).execute(&mut self.connection).await?;
        Ok(())
    }
}
