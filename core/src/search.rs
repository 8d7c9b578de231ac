//! Searches the web for chats, at SearXNG instances that the operator named. A search never fails a chat: it finds something, or tells
//! why not.
//!
//! What a search does to a chat is not its business: here a query is made of a conversation, and results of a query.

mod address;
mod answer;
mod country;
mod extent;
mod instance;
mod language;
mod options;
mod pages;
mod plain_text;
mod query;
mod results;
mod rewriting;
mod standing;
mod tasks;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use llm2api_proto::v1::ChatRequest;
use moka::future::Cache;

pub(crate) use self::query::Query;
use self::{
    answer::Answer,
    extent::ContextSize,
    instance::{Instance, Refusal},
    options::Options,
    pages::Pages,
    tasks::Tasks,
};
use crate::{
    config::{Config, SearchLanguage},
    upstream::AddressError,
};

/// Results that are kept of one search, and may be asked for.
pub(crate) const MAX_RESULTS: usize = 20;
/// Searches whose results are kept. Each has some 20 KiB.
const CACHED_SEARCHES: u64 = 256;
/// For how long they are: what somebody asks about today's news is asked again within minutes.
const CACHED_FOR: Duration = Duration::from_secs(600);

/// Searches the web. One a process.
#[derive(Debug)]
pub(crate) struct Search {
    instances: Vec<Instance>,
    result_count: usize,
    timeout: Duration,
    language: SearchLanguage,
    is_rewriting: bool,
    tasks: Tasks,
    /// What was found of late. Of those who search for the same at the same time one asks, and all get the answer.
    found: Cache<Query, Arc<[SearchResult]>>,
    /// How many pages are read of a search.
    page_count: usize,
    /// `None`: engines' snippets are enough.
    pages: Option<Pages>,
}

/// What came of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// What it was.
    pub(crate) status: SearchStatus,
    /// The results, the best first; none but where the status is [`SearchStatus::Ok`].
    pub(crate) results: Arc<[SearchResult]>,
    /// Why there are none: without the query, lowercase, no full stop. Empty where there are.
    pub(crate) why: String,
}

/// What a search was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SearchStatus {
    /// There are results.
    Ok,
    /// Nothing was found.
    Empty,
    /// The search engines refuse the instance.
    Blocked,
    /// No instance could be asked.
    Failed,
}

impl SearchStatus {
    /// The status as clients are told it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Empty => "empty",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
        }
    }
}

/// One result. Its texts are one line each, without markup and without characters that are not seen; what they say is nobody's
/// word but the page's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SearchResult {
    /// The page's title; its host where it has none.
    pub(crate) title: String,
    /// The page's address, `http:` or `https:`, in ASCII without blanks and angle brackets.
    pub(crate) url: String,
    /// Text of the page. May be empty.
    pub(crate) snippet: String,
}

/// Why a search has no results.
#[derive(Debug, Clone)]
struct Nothing {
    status: SearchStatus,
    why: String,
}

impl Found {
    fn nothing(status: SearchStatus, why: impl Into<String>) -> Self {
        Self {
            status,
            results: Arc::new([]),
            why: why.into(),
        }
    }
}

impl Search {
    /// Searching as the configuration says; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub(crate) fn new(config: &Config) -> Result<Self, SearchError> {
        let search = &config.search;
        let instances = search
            .instances
            .iter()
            .map(|url| Instance::new(url, config))
            .collect::<Result<_, _>>()?;
        let pages = match search.page_count {
            0 => None,
            _ => Some(Pages::new().map_err(SearchError::Pages)?),
        };
        Ok(Self {
            instances,
            result_count: search.result_count,
            timeout: search.timeout,
            language: search.language.clone(),
            is_rewriting: search.is_rewritten,
            tasks: Tasks::new(&search.skip),
            found: Cache::builder()
                .max_capacity(CACHED_SEARCHES)
                .time_to_live(CACHED_FOR)
                .build(),
            page_count: search.page_count,
            pages,
        })
    }

    /// Whether there is an instance to ask.
    pub(crate) fn is_on(&self) -> bool {
        !self.instances.is_empty()
    }

    /// How many results a chat is given.
    pub(crate) fn result_count(&self) -> usize {
        self.result_count
    }

    /// What to search for. `None`: nothing, as the last message isn't a user's with text, or is one of the tasks that chat clients
    /// make for themselves.
    pub(crate) fn query(&self, request: &ChatRequest) -> Option<Query> {
        if self.tasks.is_task(&request.messages) {
            return None;
        }
        let text = query::of_messages(&request.messages)?;
        let options = Options::read(&request.web_search_options_json);
        Query::new(&text, &self.language, options.country)
    }

    /// What to search for, where somebody wrote it for the purpose. `None`: there is nothing to search for in it.
    pub(crate) fn typed_query(&self, text: &str, language: Option<String>) -> Option<Query> {
        let language = language.map(SearchLanguage::Fixed);
        Query::new(text, language.as_ref().unwrap_or(&self.language), None)
    }

    /// Searches for a chat, and returns in time whatever happens; by a query that the asked model writes of the conversation, where the
    /// operator wants that. `ask` has the model answer a request, and returns the text; where that takes half of the time, fails or is of no use, the
    /// query that is here is used.
    pub(crate) async fn search_rewritten<F>(
        &self,
        query: &Query,
        request: &ChatRequest,
        ask: impl FnOnce(ChatRequest) -> F,
    ) -> Found
    where
        F: Future<Output = Option<String>>,
    {
        let deadline = Instant::now() + self.timeout;
        let options = Options::read(&request.web_search_options_json);
        let written = if self.is_rewriting && self.is_on() {
            let asked = ask(rewriting::request(request));
            let answer = tokio::time::timeout(self.timeout / 2, asked).await;
            answer.ok().flatten().and_then(|answer| {
                let text = rewriting::query_of(&answer);
                Query::new(text, &self.language, options.country)
            })
        } else {
            None
        };
        let query = written.as_ref().unwrap_or(query);
        self.search_until(query, options.size, deadline).await
    }

    async fn search_until(&self, query: &Query, size: ContextSize, deadline: Instant) -> Found {
        let limit = size.result_count(self.result_count);
        let page_count = size.page_count(self.page_count);
        let Some(pages) = self.pages.as_ref().filter(|_| page_count > 0) else {
            let mut found = self.find_until(query, limit, deadline).await;
            if let Some(tokens) = size.snippet_tokens() {
                found.results = results::shortened(&found.results, tokens);
            }
            return found;
        };
        // A third of what is left is the pages', or an instance that is slow would leave them none.
        let left = deadline.saturating_duration_since(Instant::now());
        let searched_by = deadline - left / 3;
        let mut found = self.find_until(query, limit, searched_by).await;
        found.results = pages
            .read_first(
                page_count,
                &found.results,
                size.page_tokens(),
                deadline.into(),
            )
            .await;
        found
    }

    /// Searches for so many results.
    pub(crate) async fn find(&self, query: &Query, limit: usize) -> Found {
        let deadline = Instant::now() + self.timeout;
        self.find_until(query, limit, deadline).await
    }

    async fn find_until(&self, query: &Query, limit: usize, deadline: Instant) -> Found {
        let asked = self
            .found
            .try_get_with_by_ref(query, self.ask(query, deadline));
        // Somebody else may be asking, and have longer to go.
        match tokio::time::timeout_at(deadline.into(), asked).await {
            Ok(Ok(results)) => Found {
                status: SearchStatus::Ok,
                results: results::within(&results, limit),
                why: String::new(),
            },
            Ok(Err(nothing)) => Found::nothing(nothing.status, nothing.why.clone()),
            Err(_) => Found::nothing(SearchStatus::Failed, "no answer came in time"),
        }
    }

    /// Asks the instances in turn until one has found something.
    async fn ask(&self, query: &Query, deadline: Instant) -> Result<Arc<[SearchResult]>, Nothing> {
        if !self.is_on() {
            let why = "search is switched off: set SEARXNG_URL";
            return Err(Nothing::failed(why));
        }
        let now = Instant::now();
        let (order, resting) = standing::order(&self.instances, now);
        let mut blocked = false;
        let mut reasons = resting;
        let count = order.len();
        for (at, instance) in order.into_iter().enumerate() {
            // Each gets its share of the time that is left; the last all of it.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(count - at).unwrap_or(u32::MAX);
            match instance.ask(query, share).await {
                Ok(Answer::Results(results)) => return Ok(results.into()),
                Ok(Answer::Empty) => {
                    return Err(Nothing {
                        status: SearchStatus::Empty,
                        why: "nothing was found".to_owned(),
                    });
                }
                Ok(Answer::Blocked(engines)) => {
                    blocked = true;
                    let name = instance.name();
                    reasons.push(format!("{name}: its search engines refuse it ({engines})"));
                }
                Err(Refusal { why, .. }) => reasons.push(why),
            }
        }
        Err(Nothing {
            status: if blocked {
                SearchStatus::Blocked
            } else {
                SearchStatus::Failed
            },
            why: reasons.join("; "),
        })
    }
}

impl Nothing {
    fn failed(why: impl Into<String>) -> Self {
        Self {
            status: SearchStatus::Failed,
            why: why.into(),
        }
    }
}

/// Why the web can't be searched as it is configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// An instance can't be asked.
    #[error("the SearXNG instance at {host} can't be used")]
    Instance {
        /// Its host.
        host: String,
        /// What is wrong.
        #[source]
        source: AddressError,
    },
    /// Pages can't be read.
    #[error("the pages of results can't be read")]
    Pages(#[source] AddressError),
}
