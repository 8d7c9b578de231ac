//! What an adapter has begun at its upstream and must undo there, kept so that a process which is killed leaves nothing behind.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use super::Credential;
use crate::store::{Store, StoreError, StoredConversation};

/// How long a chat waits for its conversation to be kept: one more that may be left behind is better than no answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The conversations of one upstream that are to be deleted.
#[derive(Debug)]
pub(crate) struct Journal {
    store: Store,
    upstream: String,
}

impl Journal {
    /// That of an upstream, in a store.
    pub(crate) fn new(store: Store, upstream: &str) -> Self {
        Self {
            store,
            upstream: upstream.to_owned(),
        }
    }

    /// Keeps that a conversation is to be deleted. Waits a moment at most; where it can't be kept, that is logged.
    pub(super) async fn begin(&self, id: &str, credential: Credential) {
        let conversation = StoredConversation {
            upstream: self.upstream.clone(),
            id: id.to_owned(),
            credential,
        };
        self.note("begun", self.store.begin_conversation(conversation))
            .await;
    }

    /// Forgets a conversation: it is deleted, or can't be.
    pub(super) async fn end(&self, id: &str) {
        let (upstream, id) = (self.upstream.clone(), id.to_owned());
        self.note("ended", self.store.end_conversation(upstream, id))
            .await;
    }

    async fn note(&self, what: &str, change: impl Future<Output = Result<(), StoreError>>) {
        let upstream = &self.upstream;
        match timeout(TIMEOUT, change).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(upstream, %error, "it could not be kept that a conversation has {what}");
            }
            Err(_) => {
                tracing::warn!(
                    upstream,
                    "it was not kept in time that a conversation has {what}"
                );
            }
        }
    }
}
