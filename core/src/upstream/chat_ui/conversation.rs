//! A conversation's life, from its making to its deletion.
//!
//! One chat has one conversation. However the chat ends, what the conversation generates is stopped, its stream closed, and the
//! conversation deleted, in this order: a deleted one can't be stopped any more, and a closed stream stops nothing. All of that is
//! left to [`clean_up`](super::clean_up); nobody waits for it.

use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Response, response};
use http_body::{Body, Frame};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    super::{
        Failure,
        http_client::{ConnectionError, ResponseBody},
    },
    clean_up::{Job, Remains},
    multipart::Form,
    session::Session,
    site::Site,
};

/// A future of the clean-up's own, should nobody wait for it.
type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// A conversation that exists. Dropping it has it stopped, closed and deleted.
#[derive(Debug)]
pub(super) struct Conversation {
    site: Arc<Site>,
    session: Arc<Session>,
    id: String,
    exchange: Exchange,
    /// Given back when the deletion has been handed over.
    _alive: TaskTrackerToken,
}

/// The message that is being answered, as far as it has come.
#[derive(Default)]
pub(super) enum Exchange {
    /// None is, or the answer has been read to its end.
    #[default]
    Idle,
    /// It is not known: an earlier process has left it.
    Unknown,
    /// The message is on its way.
    Sending(Pending<Response<ResponseBody>>),
    /// The answer comes.
    Open(ResponseBody),
    /// The answer is here, and its generation over; some bytes may follow.
    Over(ResponseBody),
}

impl Conversation {
    /// Makes a conversation; its root message too, where the instance tells it already.
    ///
    /// Whoever stops waiting leaves the making to the clean-up: what was made by then is deleted.
    ///
    /// # Errors
    ///
    /// Why it was not made.
    pub(super) async fn create(
        site: &Arc<Site>,
        session: &Arc<Session>,
        model: &str,
        preprompt: Option<String>,
    ) -> Result<(Self, Option<String>), Failure> {
        let (owner, session, model) = (Arc::clone(site), Arc::clone(session), model.to_owned());
        let alive = site.conversations.token();
        let making = async move {
            let created = owner.create(&session, &model, preprompt.as_deref()).await?;
            if let Some(journal) = owner.journal.get() {
                journal.begin(&created.id, session.credential()).await;
            }
            let conversation = Self {
                site: owner,
                session,
                id: created.id,
                exchange: Exchange::Idle,
                _alive: alive,
            };
            Ok((conversation, created.root))
        };
        let mut making = Making {
            site: Arc::clone(site),
            pending: Some(Box::pin(making)),
        };
        poll_fn(|context| making.poll(context)).await
    }

    /// The conversation's root message.
    ///
    /// # Errors
    ///
    /// Where the instance doesn't tell it.
    pub(super) async fn root_message(&mut self) -> Result<String, Failure> {
        self.site.root_message(&self.session, &self.id).await
    }

    /// Sends the message, and returns when the answer's head is here.
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub(super) async fn send(&mut self, form: Form) -> Result<response::Parts, Failure> {
        let (site, session, id) = (
            Arc::clone(&self.site),
            Arc::clone(&self.session),
            self.id.clone(),
        );
        self.exchange = Exchange::Sending(Box::pin(async move {
            site.send(&session, &id, form.content_type, form.body).await
        }));
        let response = poll_fn(|context| match &mut self.exchange {
            Exchange::Sending(sending) => sending.as_mut().poll(context),
            Exchange::Idle | Exchange::Unknown | Exchange::Open(_) | Exchange::Over(_) => {
                Poll::Pending
            }
        })
        .await?;
        let (head, body) = response.into_parts();
        self.exchange = Exchange::Open(body);
        Ok(head)
    }

    /// The answer's body, where it turned out to be no stream of lines: nothing is being generated.
    pub(super) fn take_body(&mut self) -> ResponseBody {
        match mem::take(&mut self.exchange) {
            Exchange::Open(body) | Exchange::Over(body) => body,
            Exchange::Idle | Exchange::Unknown | Exchange::Sending(_) => ResponseBody::default(),
        }
    }

    /// The next piece of the answer.
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ConnectionError>>> {
        match &mut self.exchange {
            Exchange::Open(body) => Pin::new(body).poll_frame(context),
            Exchange::Idle | Exchange::Unknown | Exchange::Sending(_) | Exchange::Over(_) => {
                Poll::Ready(None)
            }
        }
    }

    /// Takes note that the generation is over: there is nothing to stop.
    pub(super) fn is_done(&mut self) {
        self.exchange = Exchange::Over(self.take_body());
    }
}

#[cfg(test)]
impl Conversation {
    /// One whose message is being answered with this body.
    pub(super) fn answered_with(
        site: &Arc<Site>,
        session: &Arc<Session>,
        body: reqwest::Body,
    ) -> Self {
        Self {
            site: Arc::clone(site),
            session: Arc::clone(session),
            id: "665f00000000000000000001".to_owned(),
            exchange: Exchange::Open(ResponseBody::Client(body)),
            _alive: site.conversations.token(),
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let remains = Remains {
            id: mem::take(&mut self.id),
            session: Arc::clone(&self.session),
            exchange: mem::take(&mut self.exchange),
        };
        self.site.leave(Job::Leave(remains));
    }
}

/// The making of a conversation, which goes on where nobody waits for it any more: only its end tells what there is to delete.
struct Making {
    site: Arc<Site>,
    pending: Option<Pending<(Conversation, Option<String>)>>,
}

impl Making {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(Conversation, Option<String>), Failure>> {
        let Some(pending) = &mut self.pending else {
            return Poll::Pending;
        };
        let made = pending.as_mut().poll(context);
        if made.is_ready() {
            self.pending = None;
        }
        made
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.site.leave(Job::Await(Box::pin(async move {
                drop(pending.await);
            })));
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Idle => "Idle",
            Self::Unknown => "Unknown",
            Self::Sending(_) => "Sending",
            Self::Open(_) => "Open",
            Self::Over(_) => "Over",
        })
    }
}
