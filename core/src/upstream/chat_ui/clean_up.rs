//! What is done after an answer: stop what still generates, close the stream, delete the conversation.
//!
//! Destructors hand the work over and wait for nothing; one task does it, which the core runs and waits for at its end. What is not
//! done by then is in the journal, and done by the next process.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::{
    StreamExt,
    stream::{self, FuturesUnordered},
};
use http::StatusCode;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    super::bounded_body::read_bounded, conversation::Exchange, session::Session, site::Site,
};
use crate::store::StoredConversation;

/// How long the instance may take to stop before the stream is closed all the same.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the rest of an answer may take, which is of no interest: a late title takes seconds.
const REST_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes that the rest may have before it is cheaper to connect anew.
const MAX_REST_SIZE: usize = 64 * 1024;

/// When a deletion that failed is tried again. Instances restart within minutes, and sessions live for days.
const RETRY_DELAYS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
];

/// Jobs that are done at once: each holds a connection, or waits to try again.
const MAX_AT_ONCE: usize = 4096;

/// Conversations of an earlier process that are left at once: nobody waits for them, and there may be thousands.
const MAX_EARLIER_AT_ONCE: usize = 16;

/// Something to be done after an answer.
pub(super) enum Job {
    /// To leave a conversation.
    Leave(Remains),
    /// To see the making of a conversation to its end, which then is left in its turn.
    Await(Pin<Box<dyn Future<Output = ()> + Send>>),
}

/// What is left of a conversation.
pub(super) struct Remains {
    pub(super) id: String,
    pub(super) session: Arc<Session>,
    pub(super) exchange: Exchange,
}

impl Site {
    /// Hands over what is to be done after an answer; never waits.
    pub(super) fn leave(&self, job: Job) {
        if self.jobs.try_send(job).is_err() {
            tracing::warn!(
                upstream = %self.address(),
                "a conversation is left behind: too many wait to be deleted"
            );
        }
    }

    /// Does what an earlier process has left, and what is handed over, until `ending` is cancelled; then what is left of that, without
    /// waiting for instances that fail.
    pub(super) async fn clean_up(
        &self,
        earlier: Vec<StoredConversation>,
        mut queue: mpsc::Receiver<Job>,
        ending: CancellationToken,
    ) {
        let mut jobs = FuturesUnordered::new();
        let (mut is_ending, mut is_complete, mut has_earlier) = (false, false, true);
        let all_left = self.conversations.wait();
        let earlier = stream::iter(earlier)
            .take_until(ending.cancelled())
            .for_each_concurrent(MAX_EARLIER_AT_ONCE, |one| self.leave_earlier(one, &ending));
        tokio::pin!(all_left, earlier);
        while has_earlier || !(is_complete && queue.is_empty() && jobs.is_empty()) {
            tokio::select! {
                () = &mut earlier, if has_earlier => has_earlier = false,
                Some(job) = queue.recv(), if jobs.len() < MAX_AT_ONCE => {
                    jobs.push(self.do_job(job, &ending));
                }
                Some(()) = jobs.next() => {}
                () = ending.cancelled(), if !is_ending => {
                    is_ending = true;
                    self.conversations.close();
                }
                () = &mut all_left, if is_ending && !is_complete => is_complete = true,
            }
        }
    }

    async fn leave_earlier(&self, one: StoredConversation, ending: &CancellationToken) {
        let remains = match Session::new(&one.credential, self.cookie_name()) {
            Ok(session) => Remains {
                id: one.id,
                session: Arc::new(session),
                exchange: Exchange::Unknown,
            },
            // Nobody can have begun it so.
            Err(_) => return self.forget(&one.id).await,
        };
        self.do_job(Job::Leave(remains), ending).await;
    }

    async fn do_job(&self, job: Job, ending: &CancellationToken) {
        match job {
            Job::Await(making) => making.await,
            Job::Leave(Remains {
                id,
                session,
                exchange,
            }) => {
                match exchange {
                    Exchange::Idle => {}
                    running @ (Exchange::Unknown | Exchange::Sending(_) | Exchange::Open(_)) => {
                        // However that goes, the stream is closed and the conversation deleted.
                        let _ = timeout(STOP_TIMEOUT, self.stop(&session, &id)).await;
                        drop(running);
                    }
                    Exchange::Over(body) => {
                        // Read to its end, its connection can be used again.
                        read_bounded(body, MAX_REST_SIZE, REST_TIMEOUT).await;
                    }
                }
                if self.delete_surely(&session, &id, ending).await {
                    self.forget(&id).await;
                }
            }
        }
    }

    /// Takes a conversation out of the journal.
    async fn forget(&self, id: &str) {
        if let Some(journal) = self.journal.get() {
            journal.end(id).await;
        }
    }

    /// Deletes a conversation; tries again where the instance fails. Whether nothing more is to be tried: not where the process ends
    /// before it is deleted.
    async fn delete_surely(&self, session: &Session, id: &str, ending: &CancellationToken) -> bool {
        for delay in RETRY_DELAYS.iter().map(Some).chain([None]) {
            let reason = match self.delete(session, id).await {
                // Not found is as good.
                Ok(status) if status.is_success() || status == StatusCode::NOT_FOUND => {
                    return true;
                }
                Ok(status) if is_logged_out(status) => {
                    tracing::warn!(upstream = %self.address(), %status, "a conversation is left behind: its session has ended");
                    return true;
                }
                Ok(status) => status.to_string(),
                Err(failure) => failure.message,
            };
            let Some(delay) = delay else {
                tracing::warn!(upstream = %self.address(), reason, "a conversation is left behind: it could not be deleted");
                return true;
            };
            let delay = delay.mul_f64(0.5 + fastrand::f64() / 2.0);
            let waited = ending.run_until_cancelled(tokio::time::sleep(delay));
            if waited.await.is_none() {
                tracing::info!(upstream = %self.address(), reason, "a conversation is left for the next start: it could not be deleted");
                return false;
            }
        }
        true
    }
}

/// Whether a status says that the session is no more.
fn is_logged_out(status: StatusCode) -> bool {
    status.is_redirection() || matches!(status.as_u16(), 401 | 403)
}

impl fmt::Debug for Job {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Leave(_) => "Leave",
            Self::Await(_) => "Await",
        })
    }
}
