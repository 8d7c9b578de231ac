//! What a web search does to a chat: what is found is put into the request, shown before the answer, and cited with it.
//!
//! The search runs beside the attempts, and only an attempt's send waits for it. It is run once however many attempts there are; what
//! it found is shown with the one that succeeds.

mod block;
mod context;
mod history;
mod markers;
mod neutral;
mod weaver;

pub(super) use self::{history::remove_blocks, weaver::Weaver};

use std::sync::{Arc, OnceLock};

use llm2api_proto::v1::ChatRequest;
use time::OffsetDateTime;
use tokio::sync::SetOnce;

use crate::{
    config::{UpstreamConfig, WebSearch},
    monitor::SearchRecord,
    search::{Found, SearchResult, SearchStatus},
};

/// What clients are told where there was nothing to search for, or nobody here to search.
const SKIPPED: &str = "skipped";

/// What clients are told whose key or code allows no search.
const DENIED: &str = "denied";

/// The web search of one chat, where one was asked for.
#[derive(Debug)]
pub(super) struct Searching {
    /// Whether an upstream that searches by itself gets the request as it came.
    leaves_it_to_upstreams: bool,
    /// Whether the results are shown before the answer.
    shows_block: bool,
    /// Whether the client may have no search.
    is_denied: bool,
    found: OnceLock<Found>,
    /// What is told of the search.
    record: OnceLock<SearchRecord>,
    /// The request that is to be sent in place of the client's, once that is known.
    replacement: SetOnce<Option<ChatRequest>>,
}

impl Searching {
    /// A search for a request, still to be run; `with_block` where the operator wants results to be shown before answers.
    pub(super) fn new(request: &ChatRequest, is_always: bool, with_block: bool) -> Self {
        let wants_text = request
            .response_format
            .as_ref()
            .is_none_or(|format| format.r#type == "text");
        Self {
            leaves_it_to_upstreams: !is_always,
            shows_block: with_block && wants_text,
            is_denied: false,
            found: OnceLock::new(),
            record: OnceLock::new(),
            replacement: SetOnce::new(),
        }
    }

    /// That of a client which may have none: nobody searches, no upstream either.
    pub(super) fn denied(request: &ChatRequest) -> Self {
        let mut searching = Self::new(request, true, false);
        searching.is_denied = true;
        searching.skip(request);
        searching
    }

    /// Takes note that nothing is searched for.
    pub(super) fn skip(&self, request: &ChatRequest) {
        self.replace(without_options(request));
    }

    /// Takes note that nobody here searches: whoever answers gets the request as it came.
    pub(super) fn pass_on(&self) {
        self.replace(None);
    }

    /// Takes note of what is told of the search.
    pub(super) fn note(&self, record: SearchRecord) {
        // Nobody sets it twice.
        let _ = self.record.set(record);
    }

    /// What is told of the search. `None`: there was none, or it isn't over.
    pub(super) fn record(&self) -> Option<SearchRecord> {
        self.record.get().copied()
    }

    /// Takes note of what was found.
    pub(super) fn found(&self, request: &ChatRequest, found: Found) {
        let replacement = match &*found.results {
            [] => without_options(request),
            results => {
                let mut woven = request.clone();
                woven.web_search_options_json = String::new();
                let today = OffsetDateTime::now_utc().date();
                context::put(&mut woven, &context::of(results, today));
                Some(woven)
            }
        };
        // Nobody sets it twice.
        let _ = self.found.set(found);
        self.replace(replacement);
    }

    fn replace(&self, replacement: Option<ChatRequest>) {
        // Nobody sets it twice.
        let _ = self.replacement.set(replacement);
    }

    /// What an attempt at an upstream waits for. `None`: it gets the request as it came.
    pub(super) fn replacement_at(
        &self,
        upstream: &UpstreamConfig,
    ) -> Option<&SetOnce<Option<ChatRequest>>> {
        let is_passed_on =
            self.leaves_it_to_upstreams && upstream.web_search == WebSearch::Upstream;
        (!is_passed_on).then_some(&self.replacement)
    }

    /// What clients are told of it, where the request that was sent is the one that had to wait for it.
    pub(super) fn status(&self, has_waited: bool) -> &'static str {
        if self.is_denied {
            return DENIED;
        }
        let found = self.found.get().filter(|_| has_waited);
        found.map_or(SKIPPED, |found| found.status.as_str())
    }

    /// What puts the results into an answer. `None`: there are none.
    pub(super) fn weaver(&self) -> Option<Weaver> {
        let found = self.found.get()?;
        let results: Arc<[SearchResult]> = Arc::clone(&found.results);
        (found.status == SearchStatus::Ok && !results.is_empty())
            .then(|| Weaver::new(results, self.shows_block))
    }
}

/// A request whose `web_search_options` are not passed on. `None`: it has none.
fn without_options(request: &ChatRequest) -> Option<ChatRequest> {
    if request.web_search_options_json.is_empty() {
        return None;
    }
    let mut without = request.clone();
    without.web_search_options_json = String::new();
    Some(without)
}
