//! What is going on, and what went on: made of the spans of chats.
//!
//! A chat's spans are noted while it runs in one [`ChatRecord`], which is handed over when the last of them ends: a lock of the own
//! runtime's, and no more. What follows, counting, keeping and exporting, is done for many at once, twice a second and before anything
//! is shown, so that what is shown is exact. Nothing that was handed over is dropped before it is counted.

mod attempt;
pub(crate) mod content;
mod counts;
mod durations;
mod exposition;
mod keeping;
mod meters;
mod record;
mod spans;
mod tables;
mod windows;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use llm2api_proto::SpanSink;
use opentelemetry_sdk::trace::SpanData;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    attempt::{Attempt, End, Obstacle, PassedOver, TokenCount},
    counts::Counts,
    durations::Durations,
    exposition::Exposition,
    keeping::KeptTrace,
    record::{Asked, ChatRecord, Outcome, RequestContext, SearchRecord},
    tables::{KeptCounts, Tables, seconds},
    windows::{Kept, Window, Windows},
};
use self::{
    keeping::{Budget, Pending, SLOW},
    meters::Meters,
};
use crate::{config::TelemetryConfig, runtime, store::Store};

/// How often what was handed over is counted.
const COLLECT_INTERVAL: Duration = Duration::from_millis(500);
/// Of these, every how many the traces are written down, and every how many the counts.
const TRACES_EVERY: u32 = 2;
const COUNTS_EVERY: u32 = 8;
/// Chats of one runtime that wait to be counted before whoever ends the next counts them all.
const MAX_WAITING: usize = 16_384;
/// Answered chats of the last hour before it is known which of them were slow.
const SLOW_AMONG: f64 = 99.0;

/// Counts chats and keeps their traces. One a process.
pub(crate) struct Monitor {
    /// When the process began.
    started_at: SystemTime,
    /// Chats that have ended, by the runtime on which they did.
    ended: Box<[Shard]>,
    usual: Budget,
    lasting: Budget,
    /// Where all sampled spans go, where the operator named a place.
    exporter: Option<Arc<dyn SpanSink>>,
    /// What this process is called in spans.
    service: &'static str,
    counted: Mutex<Counted>,
    /// Spans and traces for which there was no room.
    dropped: Arc<AtomicU64>,
    /// Whether spans say what was asked and answered.
    captures_content: bool,
}

/// Alone in its cache line, so that the runtimes don't take it from each other.
#[repr(align(128))]
#[derive(Default)]
#[expect(
    clippy::vec_box,
    reason = "a record is large, and is made where it is filled: only its address moves"
)]
struct Shard(Mutex<Vec<Box<ChatRecord>>>);

/// What is made of the chats that have ended.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) tables: Tables,
    pub(crate) meters: Meters,
    pending: Pending,
    /// From how long on a chat is among the slowest.
    slow: Duration,
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Monitor").finish_non_exhaustive()
    }
}

impl Monitor {
    /// One that has seen nothing yet.
    pub(crate) fn new(runtime_count: usize) -> Self {
        Self {
            started_at: SystemTime::now(),
            ended: (0..runtime_count.max(1))
                .map(|_| Shard::default())
                .collect(),
            usual: Budget::of_usual(),
            lasting: Budget::of_lasting(),
            exporter: None,
            service: "llm2api",
            counted: Mutex::default(),
            dropped: Arc::default(),
            captures_content: false,
        }
    }

    /// Has the sampled spans exported too.
    pub(crate) fn exporting(mut self, telemetry: TelemetryConfig) -> Self {
        self.exporter = telemetry.exporter;
        self.service = telemetry.service;
        self.dropped = telemetry.dropped;
        self.captures_content = telemetry.captures_content;
        self
    }

    /// Whether spans say what was asked and answered.
    pub(crate) fn captures_content(&self) -> bool {
        self.captures_content
    }

    /// When the process began.
    pub(crate) fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// Spans and traces for which there was no room.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Takes in what earlier processes counted.
    pub(crate) fn restore(&self, kept: impl IntoIterator<Item = KeptCounts>) {
        let mut counted = self.counted();
        for kept in kept {
            counted.tables.restore(kept);
        }
    }

    /// Whether one more trace of the usual kind is kept; that is counted as kept.
    pub(crate) fn keeps_another(&self) -> bool {
        self.usual.take()
    }

    /// Takes over a chat that has ended.
    pub(crate) fn take(&self, record: Box<ChatRecord>) {
        let shard = &self.ended[runtime::index().min(self.ended.len() - 1)];
        let mut waiting = shard.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(record);
        let is_full = waiting.len() >= MAX_WAITING;
        drop(waiting);
        if is_full {
            drop(self.collected());
        }
    }

    /// What was counted, all that has ended included.
    pub(crate) fn collected(&self) -> MutexGuard<'_, Counted> {
        let mut counted = self.counted();
        for shard in &self.ended {
            let mut waiting = shard.0.lock().unwrap_or_else(PoisonError::into_inner);
            let records = std::mem::take(&mut *waiting);
            drop(waiting);
            for record in records {
                self.count(&mut counted, record);
            }
        }
        counted
    }

    /// Takes in spans that others have made, which complete traces that are kept here.
    pub(crate) fn complete(&self, spans: &[SpanData], service: &str) {
        // Those that they complete have ended before them.
        let mut counted = self.collected();
        for span in spans {
            if !counted.pending.complete(span, service) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Counts what ends and writes it down, until `ending` is cancelled; then all that is left.
    pub(crate) async fn run(&self, store: &Store, ending: &CancellationToken) {
        let mut ticks = tokio::time::interval(COLLECT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0_u32;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = ending.cancelled() => return,
            }
            count = count.wrapping_add(1);
            drop(self.collected());
            if count.is_multiple_of(TRACES_EVERY) {
                self.usual.refill();
                self.lasting.refill();
                self.save_traces(store).await;
            }
            if count.is_multiple_of(COUNTS_EVERY) {
                self.save_counts(store).await;
            }
        }
    }

    /// Writes down all that has ended.
    pub(crate) async fn save(&self, store: &Store) {
        self.save_traces(store).await;
        self.save_counts(store).await;
    }

    async fn save_traces(&self, store: &Store) {
        let (traces, late_spans) = {
            let mut counted = self.collected();
            counted.tables.all.settle();
            let now = seconds(SystemTime::now());
            let latency = counted.tables.all.counts(Window::Hour, now).latency;
            let slow = latency.percentile(SLOW_AMONG).unwrap_or_default();
            counted.slow = Duration::from_secs_f64(slow).max(SLOW);
            counted.pending.take()
        };
        if traces.is_empty() && late_spans.is_empty() {
            return;
        }
        let count = traces.len() + late_spans.len();
        if let Err(error) = store.save_traces(traces, late_spans).await {
            self.dropped
                .fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
            tracing::warn!(%error, "traces could not be kept");
        }
    }

    async fn save_counts(&self, store: &Store) {
        let changed = {
            let mut counted = self.collected();
            counted.tables.take_changed(seconds(SystemTime::now()))
        };
        if changed.is_empty() {
            return;
        }
        if let Err(error) = store.save_counts(changed).await {
            tracing::warn!(%error, "counts could not be kept; they are still shown");
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, counted: &mut Counted, record: Box<ChatRecord>) {
        counted.tables.count(&record);
        counted.meters.count(&record);
        let exporter = self
            .exporter
            .as_deref()
            .filter(|_| record.context.trace.is_sampled);
        let is_kept = !record.is_part && self.is_kept(counted, &record);
        let trace_id = record.context.trace.trace_id;
        if exporter.is_some() || is_kept {
            let spans = record.spans();
            if is_kept && !counted.pending.keep(&record, &spans, self.service) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(exporter) = exporter {
                exporter.take(spans);
            }
        }
        if record.is_part {
            counted.pending.hold_part(*record);
        } else {
            counted.pending.forget(trace_id);
        }
    }

    fn is_kept(&self, counted: &Counted, record: &ChatRecord) -> bool {
        let is_lasting = match record.outcome {
            Outcome::Failed(_) => true,
            _ => record.took >= counted.slow.max(SLOW) || record.attempt_count() > 1,
        };
        if record.is_kept || is_lasting && self.lasting.take() {
            return true;
        }
        if matches!(record.outcome, Outcome::Failed(_)) {
            // It should have been.
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        // Of those that were answered it was decided at their beginning.
        record.outcome != Outcome::Answered && self.usual.take()
    }
}

/// Spans of a gateway in the same process.
impl SpanSink for Monitor {
    fn take(&self, spans: Vec<SpanData>) {
        self.complete(&spans, self.service);
    }
}

#[cfg(test)]
mod tests;
