//! One SearXNG instance: how it is asked, and what it means when it doesn't answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, ACCEPT_LANGUAGE},
};
use url::Url;

use super::{
    Query, SearchError,
    answer::{self, Answer},
    standing::{Fault, Standing},
};
use crate::{
    config::Config,
    upstream::{
        AddressError, Failure,
        bounded_body::{Bounded, Incomplete, read_bounded},
        http_client::{HttpClients, ResponseBody},
        media_type::MediaType,
    },
};

/// Bytes that an answer may have. A page of results has some 50 KiB; ten engines with long texts come to a MiB.
const MAX_ANSWER_BYTES: usize = 8 << 20;
/// Time that SearXNG needs beside its engines, which are given the rest.
const ALLOWANCE: Duration = Duration::from_millis(500);
/// What we take. SearXNG's limiter wants `text/html` to be among it, for JSON too.
const ACCEPTED: HeaderValue =
    HeaderValue::from_static("application/json, text/html;q=0.9, */*;q=0.1");

/// An instance.
#[derive(Debug)]
pub(super) struct Instance {
    clients: HttpClients,
    /// Where it searches.
    endpoint: Url,
    standing: Standing,
}

/// Why an instance has no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// For the operator, with the instance's name.
    pub(super) why: String,
    kind: RefusalKind,
}

/// What asking again would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RefusalKind {
    /// May go well at once.
    Stumble,
    /// May go well later.
    Failure,
    /// The same again, until somebody changes its settings or ours.
    Lasting,
}

impl Instance {
    /// The instance at an address.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub(super) fn new(url: &Url, config: &Config) -> Result<Self, SearchError> {
        let unusable = |source| SearchError::Instance {
            host: url.host_str().unwrap_or_default().to_owned(),
            source,
        };
        let endpoint = endpoint(url).ok_or_else(|| unusable(AddressError::Url))?;
        let clients = HttpClients::for_address(&endpoint, None, config).map_err(unusable)?;
        clients.target(endpoint.clone()).map_err(unusable)?;
        Ok(Self {
            clients,
            endpoint,
            standing: Standing::default(),
        })
    }

    /// Its name, `host:port`.
    pub(super) fn name(&self) -> &Arc<str> {
        self.clients.address()
    }

    pub(super) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Asks it, for no longer than this.
    ///
    /// # Errors
    ///
    /// Why there is no answer; then it is left alone for a while, or comes last.
    pub(super) async fn ask(&self, query: &Query, time: Duration) -> Result<Answer, Refusal> {
        let deadline = Instant::now() + time;
        let mut answer = self.ask_once(query, deadline).await;
        if let Err(refusal) = &answer
            && refusal.kind == RefusalKind::Stumble
        {
            answer = self.ask_once(query, deadline).await;
        }
        match &answer {
            Ok(_) => self.standing.clear(),
            Err(refusal) => {
                let fault = match refusal.kind {
                    RefusalKind::Stumble | RefusalKind::Failure => Fault::Failed,
                    RefusalKind::Lasting => Fault::Refused(refusal.why.clone()),
                };
                self.standing.note(fault, Instant::now());
            }
        }
        answer
    }

    async fn ask_once(&self, query: &Query, deadline: Instant) -> Result<Answer, Refusal> {
        let failure = |what: &str| self.refusal(RefusalKind::Failure, what);
        let late = || failure("gave no answer in time");
        let left = deadline.saturating_duration_since(Instant::now());
        let url = url(&self.endpoint, query, left);
        let target = self.clients.target(url);
        let target = target.map_err(|_| failure("has an address that can't be used"))?;
        let asked = self.clients.get(&target, None, headers(query));
        let response = tokio::time::timeout_at(deadline.into(), asked)
            .await
            .map_err(|_| late())?
            .map_err(unreached)?;
        self.check(&response)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let Bounded { bytes, incomplete } =
            read_bounded(response.into_body(), MAX_ANSWER_BYTES, left).await;
        match incomplete {
            None => answer::read(&bytes)
                .map_err(|_| failure("gave an answer that is not SearXNG's JSON")),
            Some(Incomplete::TimedOut) => Err(late()),
            Some(Incomplete::TooLarge) => Err(failure("gave an answer of more than 8 MiB")),
            Some(Incomplete::Broken(error)) => Err(unreached(self.clients.failure(&error))),
        }
    }

    /// Whether the head is one of an answer.
    fn check(&self, response: &http::Response<ResponseBody>) -> Result<(), Refusal> {
        let status = response.status();
        let (kind, what) = match status {
            StatusCode::FORBIDDEN => (RefusalKind::Lasting, FORBIDDEN),
            StatusCode::UNAUTHORIZED => (RefusalKind::Lasting, UNAUTHORIZED),
            StatusCode::TOO_MANY_REQUESTS => (RefusalKind::Lasting, LIMITED),
            StatusCode::INTERNAL_SERVER_ERROR => (RefusalKind::Stumble, "failed (500)"),
            _ if status.is_redirection() => (RefusalKind::Lasting, REDIRECTED),
            _ if !status.is_success() => {
                let what = format!("failed ({})", status.as_u16());
                return Err(self.refusal(RefusalKind::Failure, &what));
            }
            _ if MediaType::of(response.headers()) == MediaType::Html => {
                (RefusalKind::Lasting, PAGE)
            }
            _ => return Ok(()),
        };
        Err(self.refusal(kind, what))
    }

    fn refusal(&self, kind: RefusalKind, what: &str) -> Refusal {
        let why = format!("{} {what}", self.name());
        Refusal { why, kind }
    }
}

const FORBIDDEN: &str = "refuses (403): `search.formats` in its settings.yml must have `json`";
const UNAUTHORIZED: &str =
    "wants a login (401): put it into SEARXNG_URL, as https://user:password@host";
const LIMITED: &str = "limits us (429): `server.limiter` in its settings.yml must be false, or `pass_ip` in its limiter.toml have our address";
const REDIRECTED: &str =
    "redirects instead of answering, which is never followed: SEARXNG_URL must be its own address";
const PAGE: &str = "answers with a page instead of JSON: SEARXNG_URL must be its own address, with no login page before it";

/// What became of the connection.
fn unreached(failure: Failure) -> Refusal {
    Refusal {
        why: failure.message,
        kind: RefusalKind::Failure,
    }
}

/// Where an instance searches, whether its address was given with or without it.
fn endpoint(url: &Url) -> Option<Url> {
    let mut endpoint = url.clone();
    endpoint.set_query(None);
    endpoint.set_fragment(None);
    let mut segments = endpoint.path_segments_mut().ok()?;
    segments.pop_if_empty();
    drop(segments);
    if !endpoint.path().ends_with("/search") {
        endpoint.path_segments_mut().ok()?.push("search");
    }
    Some(endpoint)
}

fn url(endpoint: &Url, query: &Query, time: Duration) -> Url {
    let mut url = endpoint.clone();
    let mut pairs = url.query_pairs_mut();
    pairs
        .append_pair("q", query.text())
        .append_pair("format", "json")
        .append_pair("categories", "general")
        .append_pair("language", query.language())
        .append_pair("safesearch", "1");
    if let Some(time) = time.checked_sub(ALLOWANCE).filter(|time| !time.is_zero()) {
        let seconds = format!("{:.1}", time.as_secs_f64());
        pairs.append_pair("timeout_limit", &seconds);
    }
    drop(pairs);
    url
}

/// The headers that SearXNG's limiter wants to see. The client adds its name and `Accept-Encoding`.
fn headers(query: &Query) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, ACCEPTED);
    let language = match query.language() {
        "auto" | "all" => "en",
        language => language,
    };
    if let Ok(language) = HeaderValue::try_from(language) {
        headers.insert(ACCEPT_LANGUAGE, language);
    }
    headers
}
