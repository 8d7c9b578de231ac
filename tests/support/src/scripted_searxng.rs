//! An instance of SearXNG that finds what each test tells it to.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{RecordedRequest, Script, ScriptedUpstream};

/// An instance on a port of its own, which answers every search by a [`Script`] and records what it sees. Ends when dropped, its
/// connections with it.
#[derive(Debug)]
pub struct ScriptedSearxng {
    server: ScriptedUpstream,
}

/// A search that came to the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedSearch {
    /// The path without its query.
    pub path: String,
    /// The query's parameters but `timeout_limit`, which depends on the time that is left; in order, decoded.
    pub parameters: Vec<(String, String)>,
    /// The headers.
    pub headers: Vec<(String, String)>,
}

impl RecordedSearch {
    fn of(request: &RecordedRequest) -> Self {
        let (path, query) = request
            .path
            .split_once('?')
            .unwrap_or((request.path.as_str(), ""));
        let parameters = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .filter(|(name, _)| name != "timeout_limit")
            .collect();
        Self {
            path: path.to_owned(),
            parameters,
            headers: request.head.headers.clone(),
        }
    }

    /// What was searched for.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(name, _)| name == "q")
            .map(|(_, value)| value.as_str())
    }

    /// The value of a header, its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl ScriptedSearxng {
    /// Starts one that finds nothing.
    pub async fn start() -> Self {
        let server = ScriptedUpstream::start(&[]).await;
        server.answer_others(found(&[]));
        Self { server }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Its address as `SEARXNG_URL` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Finds these from now on: each a title, an address and a text.
    pub fn finds(&self, results: &[(&str, &str, &str)]) {
        self.answers(found(results));
    }

    /// Answers every search so from now on.
    pub fn answers(&self, script: Script) {
        self.server.answer_others(script);
    }

    /// The searches that came so far.
    #[must_use]
    pub fn searches(&self) -> Vec<RecordedSearch> {
        self.server
            .other_requests()
            .iter()
            .map(|request| RecordedSearch::of(request))
            .collect()
    }

    /// Waits until this many searches have come.
    ///
    /// # Panics
    ///
    /// When they do not come.
    pub async fn has_searches(&self, count: usize) {
        self.server.has_other_requests(count).await;
    }

    /// Waits until this many connections to it are open at most.
    ///
    /// # Panics
    ///
    /// When more stay open.
    pub async fn has_connections_at_most(&self, count: usize) {
        self.server.has_connections_at_most(count).await;
    }

    /// What was searched for so far.
    #[must_use]
    pub fn queries(&self) -> Vec<String> {
        self.searches()
            .iter()
            .filter_map(RecordedSearch::query)
            .map(str::to_owned)
            .collect()
    }
}

/// What SearXNG answers where it finds these: each a title, an address and a text.
#[must_use]
pub fn found(results: &[(&str, &str, &str)]) -> Script {
    let results: Vec<Value> = (1..)
        .zip(results)
        .map(|(position, (title, url, content))| {
            json!({
                "url": url, "title": title, "content": content, "engine": "script", "engines": ["script"],
                "positions": [position], "score": 1.0 / f64::from(position), "category": "general",
                "template": "default.html", "publishedDate": null, "thumbnail": "",
                "parsed_url": ["https", "", "", "", "", ""],
            })
        })
        .collect();
    answer(&results, &[])
}

/// What SearXNG answers where its engines refuse it: each an engine's name and what it says.
#[must_use]
pub fn blocked(engines: &[(&str, &str)]) -> Script {
    answer(&[], engines)
}

fn answer(results: &[Value], unresponsive_engines: &[(&str, &str)]) -> Script {
    let body = json!({
        "query": "", "results": results, "answers": [], "corrections": [], "suggestions": [], "infoboxes": [],
        "unresponsive_engines": unresponsive_engines,
    });
    Script::json(200, body.to_string())
}

/// Text of a URL's query.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next(), rest.next()].map(Option::unwrap_or_default);
                std::str::from_utf8(&digits)
                    .ok()
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                    .expect("two digits follow a percent sign")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("a query is UTF-8")
}
