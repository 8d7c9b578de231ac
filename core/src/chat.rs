//! Answering a chat: route, attempts, hold-back, fallback, and the stream that goes out.
//!
//! Until the first meaningful event is in hand a failure is followed by another attempt, and the caller sees nothing of it; from
//! then on the answer is committed, and whatever fails ends it. Everything here ends by being dropped.

mod attempt;
mod attempts;
mod candidates;
mod collect;
mod committed;
mod estimate;
mod ledger;
mod outcome;
mod pass;
mod permission;
mod validate;
mod web;

pub(crate) use self::{
    ledger::Ledger,
    outcome::{model_not_found, shutting_down},
};

use std::{
    convert::Infallible,
    num::NonZeroU32,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::Stream;
use llm2api_proto::{
    ContractError, Parent, TraceContext, new_span_id,
    v1::{ChatRequest, ChatResponse, chat_event::Event, content_part::Part},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::{attempts::Attempts, committed::Committed, pass::Pass, web::Searching};
use crate::{
    admission::Permit,
    config::{Config, WebSearch},
    monitor::{Asked, Monitor, RequestContext, SearchRecord, content},
    registry::Registry,
    router::{self, Route},
    runtime,
    search::{Query, Search},
};

/// Age beyond which a model list is asked for again before a model is said to be unknown.
const STALE_LIST: Duration = Duration::from_secs(10);

/// Answers chats with the upstreams of a registry.
pub(crate) struct Chats {
    registry: Arc<Registry>,
    search: Arc<Search>,
    monitor: Arc<Monitor>,
    /// Whether the web is searched for every chat.
    searches_for_all: bool,
    /// Whether answers begin with what was found.
    shows_search_block: bool,
    fallback_model: Option<String>,
    retry_attempts: NonZeroU32,
    request_timeout: Duration,
    /// For how long a request waits for credentials, in all.
    lease_wait: Duration,
    /// Bytes that an answer held back to its end may have.
    max_whole_bytes: usize,
    /// Cancelled when running answers have to end: one for each runtime, as every stream waits on it, and each wait takes its lock.
    endings: Box<[CancellationToken]>,
}

/// An answer on its way out.
pub(crate) enum AnswerStream {
    /// Events as they arrive.
    Streamed(Box<Committed>),
    /// All of it at once.
    Whole(Option<ChatResponse>),
}

impl AnswerStream {
    /// Decides whether its trace is one of those by which the usual is shown.
    pub(crate) fn keeps_trace(&mut self) -> bool {
        match self {
            Self::Streamed(committed) => committed.keeps_trace(),
            // Whoever made it has its ledger still.
            Self::Whole(_) => false,
        }
    }

    /// What became of its web search, as clients are told it. `None`: none was asked for.
    pub(crate) fn search_status(&self) -> Option<&str> {
        let events = match self {
            Self::Streamed(committed) => committed.opening(),
            Self::Whole(response) => response
                .as_ref()
                .map_or(&[][..], |response| &response.events),
        };
        let start = events.iter().find_map(|event| match &event.event {
            Some(Event::Start(start)) => Some(start),
            _ => None,
        })?;
        Some(start.search.as_str()).filter(|status| !status.is_empty())
    }
}

impl Stream for AnswerStream {
    type Item = Result<ChatResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.get_mut() {
            Self::Streamed(committed) => Pin::new(committed).poll_next(context),
            Self::Whole(response) => Poll::Ready(response.take().map(Ok)),
        }
    }
}

impl Chats {
    pub(crate) fn new(
        config: &Config,
        registry: Arc<Registry>,
        search: Arc<Search>,
        monitor: Arc<Monitor>,
        ending: &CancellationToken,
    ) -> Self {
        Self {
            registry,
            search,
            monitor,
            searches_for_all: config.search.is_for_all,
            shows_search_block: config.search.has_block,
            fallback_model: config.fallback_model.clone(),
            retry_attempts: config.retry_attempts,
            request_timeout: config.clocks.request,
            lease_wait: config.pool.lease_wait,
            max_whole_bytes: config.max_body_bytes,
            endings: (0..config.runtime_count.max(1))
                .map(|_| ending.child_token())
                .collect(),
        }
    }

    /// What tells this runtime's answers to end.
    fn ending(&self) -> &CancellationToken {
        &self.endings[runtime::index().min(self.endings.len() - 1)]
    }

    /// Takes note that a chat has arrived.
    pub(crate) fn arrival(&self, request: &ChatRequest, context: RequestContext) -> Ledger {
        let mut asked = Asked::of(request);
        if self.monitor.captures_content() {
            asked.messages_json = Some(content::of_messages(&request.messages));
        }
        Ledger::new(&self.monitor, context, asked)
    }

    /// Answers a chat: returns when its first meaningful event is here, or, where it isn't streamed, when all of it is. Whatever becomes
    /// of it is noted.
    ///
    /// # Errors
    ///
    /// What is wrong with the request, or why nobody could answer it.
    pub(crate) async fn answer(
        &self,
        mut request: ChatRequest,
        ledger: &mut Ledger,
    ) -> Result<AnswerStream, ContractError> {
        validate::validate(&request)?;
        web::remove_blocks(&mut request);
        let (searching, query) = self.searching(&request, &ledger.pass().permit);
        if self.registry.routing().entries.is_empty() {
            return Err(outcome::no_upstream());
        }
        let is_whole = request.stream == Some(false);
        let time_is_up = async {
            match is_whole {
                true => tokio::time::sleep(self.request_timeout).await,
                false => std::future::pending().await,
            }
        };
        // The model may be asked for the query too.
        let asked_by = query
            .as_ref()
            .zip(ledger.context())
            .map(|(_, context)| context.clone())
            .unwrap_or_default();
        let asked_with = ledger.pass().beside();
        let started = ledger.started();
        let search = async {
            if let (Some(searching), Some(query)) = (&searching, &query) {
                Box::pin(self.search(searching, query, &request, (&asked_by, asked_with), started))
                    .await;
            }
            std::future::pending::<Infallible>().await
        };
        let answer = self.answer_or_fall_back(&request, searching.as_ref(), ledger);
        let answered = tokio::select! {
            answer = Box::pin(answer) => answer,
            never = search => match never {},
            () = time_is_up => Err(outcome::request_timeout(self.request_timeout)),
            () = self.ending().cancelled() => Err(outcome::shutting_down()),
        };
        if answered.is_err() {
            ledger.searched(searching.as_ref().and_then(Searching::record));
        }
        answered
    }

    /// Answers with the asked model, or with the fallback where that can't and another model is as good.
    async fn answer_or_fall_back(
        &self,
        request: &ChatRequest,
        searching: Option<&Searching>,
        ledger: &mut Ledger,
    ) -> Result<AnswerStream, ContractError> {
        let request_id = ledger
            .context()
            .filter(|_| self.fallback_model.is_some())
            .map(|context| context.request_id.clone());
        let mut attempts = Attempts::new(self, request, searching, ledger);
        let error = match attempts.answer_as(&request.model, None).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let fallback = self
            .fallback_model
            .as_deref()
            .filter(|&fallback| fallback != request.model);
        let may_fall_back = |fallback: &str| {
            let permit = attempts.permit();
            permit.allows_model(&self.registry.routing(), fallback)
        };
        let fallback = fallback.filter(|fallback| may_fall_back(fallback));
        match fallback {
            Some(fallback) if outcome::another_may_answer(&error) && any_model_will_do(request) => {
                tracing::warn!(request_id, model = request.model, fallback, %error, "falling back");
                attempts
                    .answer_as(fallback, Some(&request.model))
                    .await
                    .map_err(|fallback_error| {
                        tracing::warn!(request_id, %fallback_error, "the fallback failed too");
                        error
                    })
            }
            _ => Err(error),
        }
    }

    /// The web search for a request, where it asks for one, and what to search for, where there is something.
    fn searching(
        &self,
        request: &ChatRequest,
        permit: &Permit,
    ) -> (Option<Searching>, Option<Query>) {
        let is_always = request.web_search || self.searches_for_all;
        if !is_always && request.web_search_options_json.is_empty() {
            return (None, None);
        }
        if !permit.allows_search() {
            return (Some(Searching::denied(request)), None);
        }
        let searching = Searching::new(request, is_always, self.shows_search_block);
        if !self.search.is_on() || !(is_always || self.any_upstream_leaves_it_to_us(request)) {
            searching.pass_on();
            return (Some(searching), None);
        }
        let query = self.search.query(request);
        if query.is_none() {
            searching.skip(request);
        }
        (Some(searching), query)
    }

    /// Whether some upstream of the asked model doesn't search by itself.
    fn any_upstream_leaves_it_to_us(&self, request: &ChatRequest) -> bool {
        let route = router::route(&self.registry.routing(), &request.model);
        route.is_none_or(|route| {
            let mut candidates = route.candidates.iter();
            candidates.any(|candidate| candidate.entry.config.web_search == WebSearch::Ours)
        })
    }

    /// Searches, and tells who waits for it.
    async fn search(
        &self,
        searching: &Searching,
        query: &Query,
        request: &ChatRequest,
        (asked_by, pass): (&RequestContext, Pass),
        chat_started: Instant,
    ) {
        let began = chat_started.elapsed();
        let span_id = new_span_id();
        let part = RequestContext {
            parent: Some(Parent::here(asked_by.trace)),
            trace: TraceContext {
                span_id,
                ..asked_by.trace
            },
            ..asked_by.clone()
        };
        let ask = |asked: ChatRequest| self.text_of_answer(asked, part, pass);
        let found = self.search.search_rewritten(query, request, ask).await;
        if !found.why.is_empty() {
            let (status, why) = (found.status.as_str(), &found.why);
            tracing::info!(
                request_id = asked_by.request_id,
                trace_id = %asked_by.trace.trace_id,
                status,
                why,
                "a web search found nothing; the answer is made without"
            );
        }
        searching.note(SearchRecord {
            span_id,
            began,
            ended: chat_started.elapsed(),
            status: found.status,
            result_count: found.results.len(),
        });
        searching.found(request, found);
    }

    /// Answers a request that is not streamed. `None`: nobody could, or not with text.
    async fn text_of_answer(
        &self,
        request: ChatRequest,
        asked_by: RequestContext,
        pass: Pass,
    ) -> Option<String> {
        let mut ledger = Ledger::of_part(&self.monitor, asked_by, Asked::of(&request));
        ledger.let_in(pass);
        let answered = Box::pin(self.answer_or_fall_back(&request, None, &mut ledger)).await;
        let Ok(AnswerStream::Whole(Some(response))) = answered else {
            return None;
        };
        response
            .events
            .into_iter()
            .find_map(|event| match event.event {
                Some(Event::Delta(delta)) => delta.content,
                _ => None,
            })
    }

    /// Finds the upstreams for a model; before it says that there are none it looks whether the lists are still true.
    async fn route(&self, model: &str) -> Result<Route, ContractError> {
        let mut route = router::route(&self.registry.routing(), model);
        if route.as_ref().is_some_and(Route::is_guess) {
            self.registry.first_lists().await;
            route = router::route(&self.registry.routing(), model);
        }
        if let Some(route) = route {
            return Ok(route);
        }
        let routing = self.registry.snapshot();
        let entries = routing.entries.iter();
        futures_util::future::join_all(entries.map(|entry| entry.refresh_models(STALE_LIST))).await;
        router::route(&self.registry.routing(), model)
            .ok_or_else(|| outcome::model_not_found(model))
    }
}

/// Whether a model that the client didn't choose can answer: not where tools, a schema or media make the choice a part of the question.
fn any_model_will_do(request: &ChatRequest) -> bool {
    let has_media = request
        .messages
        .iter()
        .flat_map(|message| &message.content_parts)
        .any(|part| {
            matches!(
                part.part,
                Some(Part::ImageUrl(_) | Part::InputAudio(_) | Part::File(_) | Part::OtherJson(_))
            )
        });
    let wants_form = request
        .response_format
        .as_ref()
        .is_some_and(|format| format.r#type != "text");
    let has_extra = |name: &str| request.extra_fields.iter().any(|field| field.name == name);
    request.tools.is_empty()
        && !wants_form
        && !has_media
        && !has_extra("functions")
        && !has_extra("audio")
}

#[cfg(test)]
mod tests;
