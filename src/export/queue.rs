//! Spans that wait to be sent.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use llm2api_proto::SpanSink;
use opentelemetry::{Array, StringValue, Value};
use opentelemetry_sdk::trace::SpanData;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::destination::Destination;
use crate::config::Batching;

/// Spans that wait to be sent, to one place.
#[derive(Debug)]
pub(crate) struct SpanQueue {
    waiting: Mutex<Vec<SpanData>>,
    batching: Batching,
    /// Told when a whole batch waits; the rest goes by the clock.
    batch_is_full: Notify,
    dropped: Arc<AtomicU64>,
}

/// Sends what waits in a queue. One task runs it.
pub(super) struct Sender {
    queue: Arc<SpanQueue>,
    destination: Destination,
    value_limit: Option<usize>,
    /// Whether the last try failed, which was told then.
    is_failing: bool,
}

impl SpanQueue {
    /// An empty queue, and who sends from it.
    pub(super) fn new(
        destination: Destination,
        batching: Batching,
        value_limit: Option<usize>,
        dropped: Arc<AtomicU64>,
    ) -> (Arc<Self>, Sender) {
        let queue = Arc::new(Self {
            waiting: Mutex::default(),
            batching,
            batch_is_full: Notify::new(),
            dropped,
        });
        let sender = Sender {
            queue: Arc::clone(&queue),
            destination,
            value_limit,
            is_failing: false,
        };
        (queue, sender)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<SpanData>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is sent next: a whole batch, or where `all` what there is of one.
    fn next_batch(&self, all: bool) -> Option<Vec<SpanData>> {
        let mut waiting = self.waiting();
        let size = self.batching.batch_size;
        if waiting.len() >= size {
            return Some(waiting.drain(..size).collect());
        }
        (all && !waiting.is_empty()).then(|| std::mem::take(&mut *waiting))
    }

    fn note_dropped(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }
}

impl SpanSink for SpanQueue {
    fn take(&self, spans: Vec<SpanData>) {
        let count = spans.len();
        let mut waiting = self.waiting();
        let before = waiting.len();
        let room = self.batching.queue_size.saturating_sub(before);
        waiting.extend(spans.into_iter().take(room));
        let after = waiting.len();
        drop(waiting);
        let batch_size = self.batching.batch_size;
        if before < batch_size && after >= batch_size {
            self.batch_is_full.notify_one();
        }
        if count > room {
            self.note_dropped(count - room);
        }
    }
}

impl Sender {
    /// Sends what waits, until `ending` is cancelled and nothing waits any more; meanwhile `background` keeps the destination in reach.
    pub(super) async fn run(
        mut self,
        background: impl Future<Output = ()>,
        ending: CancellationToken,
    ) {
        tokio::select! {
            () = self.send_all(&ending) => {}
            () = background => {}
        }
    }

    async fn send_all(&mut self, ending: &CancellationToken) {
        let mut ticks = interval(self.queue.batching.delay);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let queue = Arc::clone(&self.queue);
        loop {
            let is_time = tokio::select! {
                _ = ticks.tick() => true,
                () = queue.batch_is_full.notified() => false,
                () = ending.cancelled() => break,
            };
            while let Some(batch) = queue.next_batch(is_time) {
                self.send(batch).await;
            }
        }
        while let Some(batch) = queue.next_batch(true) {
            self.send(batch).await;
            if self.is_failing {
                // There is no more time to find out whether it comes back.
                let left = std::mem::take(&mut *queue.waiting());
                queue.note_dropped(left.len());
            }
        }
    }

    async fn send(&mut self, mut batch: Vec<SpanData>) {
        if let Some(limit) = self.value_limit {
            batch.iter_mut().for_each(|span| shorten(span, limit));
        }
        let count = batch.len();
        let sent = timeout(self.queue.batching.timeout, self.destination.send(batch)).await;
        let failure = match sent {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure),
            Err(_) => Some("it took too long".to_owned()),
        };
        match failure {
            None => {
                if std::mem::replace(&mut self.is_failing, false) {
                    tracing::info!(to = %self.destination, "spans can be sent again");
                }
            }
            Some(failure) => {
                self.queue.note_dropped(count);
                // Once, and not at every batch.
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(to = %self.destination, failure, "spans can't be sent; they are dropped until they can");
                }
            }
        }
    }
}

/// Shortens the texts of a span's attributes to so many characters.
fn shorten(span: &mut SpanData, limit: usize) {
    for attribute in &mut span.attributes {
        match &mut attribute.value {
            Value::String(text) => shorten_text(text, limit),
            Value::Array(Array::String(texts)) => {
                texts.iter_mut().for_each(|text| shorten_text(text, limit));
            }
            _ => {}
        }
    }
}

fn shorten_text(text: &mut StringValue, limit: usize) {
    if let Some((end, _)) = text.as_str().char_indices().nth(limit) {
        *text = text.as_str()[..end].to_owned().into();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use llm2api_proto::{Span, TraceContext};
    use opentelemetry::{
        KeyValue,
        trace::{SpanKind, Status},
    };
    use tokio::{sync::mpsc, task::JoinSet, time::Instant};

    use super::*;

    const BATCHING: Batching = Batching {
        queue_size: 10,
        batch_size: 4,
        delay: Duration::from_secs(5),
        timeout: Duration::from_secs(1),
    };

    /// Tells of each batch how many spans it had.
    struct Counting(mpsc::Sender<Vec<SpanData>>);

    impl SpanSink for Counting {
        fn take(&self, spans: Vec<SpanData>) {
            self.0.try_send(spans).unwrap();
        }
    }

    struct Running {
        queue: Arc<SpanQueue>,
        dropped: Arc<AtomicU64>,
        batches: mpsc::Receiver<Vec<SpanData>>,
        ending: CancellationToken,
        sender: Option<Sender>,
        tasks: JoinSet<()>,
    }

    fn queue(value_limit: Option<usize>) -> Running {
        let (counting, batches) = mpsc::channel(16);
        let destination = Destination::Monitor(Arc::new(Counting(counting)));
        let dropped = Arc::<AtomicU64>::default();
        let (queue, sender) =
            SpanQueue::new(destination, BATCHING, value_limit, Arc::clone(&dropped));
        Running {
            queue,
            dropped,
            batches,
            ending: CancellationToken::new(),
            sender: Some(sender),
            tasks: JoinSet::new(),
        }
    }

    impl Running {
        /// Has what waits sent from now on.
        fn start(&mut self) {
            let sender = self.sender.take().unwrap();
            let run = sender.run(std::future::pending(), self.ending.clone());
            self.tasks.spawn(run);
        }

        async fn next(&mut self) -> usize {
            self.batches.recv().await.unwrap().len()
        }

        fn dropped(&self) -> u64 {
            self.dropped.load(Ordering::Relaxed)
        }
    }

    fn spans(count: usize) -> Vec<SpanData> {
        let span = || Span {
            context: TraceContext::root(true),
            parent: None,
            name: "a".into(),
            kind: SpanKind::Server,
            started_at: std::time::SystemTime::UNIX_EPOCH,
            ended_at: std::time::SystemTime::UNIX_EPOCH,
            status: Status::Unset,
            attributes: vec![KeyValue::new("a", "好日子")],
        };
        (0..count).map(|_| span().into()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_batch_goes_at_once_and_the_rest_when_it_is_time() {
        let mut running = queue(None);
        running.start();
        // The first tick is at once.
        tokio::task::yield_now().await;
        let began = Instant::now();
        running.queue.take(spans(9));
        assert_eq!((running.next().await, running.next().await), (4, 4));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(running.next().await, 1);
        assert_eq!(began.elapsed(), BATCHING.delay);
        assert_eq!(running.dropped(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_there_is_no_room_for_is_dropped_and_counted() {
        let mut running = queue(None);
        running.queue.take(spans(8));
        running.queue.take(spans(5));
        running.queue.take(spans(1));
        assert_eq!(running.dropped(), 4);
        running.start();
        let mut sent = 0;
        while sent < 10 {
            sent += running.next().await;
        }
        assert_eq!(sent, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_at_the_end_is_sent() {
        let mut running = queue(None);
        running.start();
        tokio::task::yield_now().await;
        let began = Instant::now();
        running.queue.take(spans(3));
        running.ending.cancel();
        assert_eq!(running.next().await, 3);
        running.tasks.join_next().await.unwrap().unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn long_texts_are_shortened_where_the_operator_says_so() {
        let mut running = queue(Some(2));
        running.start();
        running.queue.take(spans(4));
        let batch = running.batches.recv().await.unwrap();
        assert_eq!(batch[0].attributes[0].value, Value::from("好日"));
    }
}
