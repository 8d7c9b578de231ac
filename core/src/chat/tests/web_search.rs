//! Attempts whose send waits for a web search.

use std::pin::pin;

use futures_util::FutureExt;
use llm2api_proto::v1::{JsonSchema, ResponseFormat};

use super::*;
use crate::{
    chat::attempts::Attempts,
    config::WebSearch,
    search::{Found, SearchResult, SearchStatus},
};

const BLOCK: &str = "<search>\n[1] Title — https://a.example/\nSnippet\n</search>\n\n";

/// A request with `web_search_options`.
fn marked(stream: bool) -> ChatRequest {
    ChatRequest {
        web_search_options_json: "{}".to_owned(),
        ..request(stream)
    }
}

fn one_result() -> Found {
    let result = SearchResult {
        title: "Title".to_owned(),
        url: "https://a.example/".to_owned(),
        snippet: "Snippet".to_owned(),
    };
    Found {
        status: SearchStatus::Ok,
        results: Arc::new([result]),
        why: String::new(),
    }
}

fn nothing(status: SearchStatus) -> Found {
    Found {
        status,
        results: Arc::new([]),
        why: "as told".to_owned(),
    }
}

impl Stage {
    /// Answers a request for which a search is made by hand.
    async fn answer_with(&self, request: &ChatRequest, searching: &Searching) -> Told {
        let mut ledger = Ledger::of_nobody();
        let mut attempts = Attempts::new(&self.chats, request, Some(searching), &mut ledger);
        let answer = attempts.answer_as("m", None).await.expect("answered");
        let search = answer.search_status().map(str::to_owned);
        let batches: Vec<_> = answer.collect().await;
        let events: Vec<_> = batches
            .into_iter()
            .flat_map(|batch| batch.expect("whole").events)
            .collect();
        Told { search, events }
    }

    /// The last message's text in each request that an upstream was sent, and its `web_search_options`.
    fn sent(&self, upstream: usize) -> Vec<(String, String)> {
        let sent = self.upstreams[upstream].sent.lock().unwrap();
        sent.iter()
            .map(|request| {
                let last = request
                    .messages
                    .last()
                    .and_then(|last| last.content.clone());
                let options = request.web_search_options_json.clone();
                (last.unwrap_or_default(), options)
            })
            .collect()
    }
}

/// What a client is told.
struct Told {
    search: Option<String>,
    events: Vec<ChatEvent>,
}

impl Told {
    fn text(&self) -> String {
        let deltas = self.events.iter().filter_map(|event| match &event.event {
            Some(Event::Delta(delta)) => delta.content.as_deref(),
            _ => None,
        });
        deltas.collect()
    }

    fn annotation_count(&self) -> usize {
        let counts = self.events.iter().map(|event| match &event.event {
            Some(Event::Delta(delta)) => delta.annotations.len(),
            _ => 0,
        });
        counts.sum()
    }

    fn estimate(&self) -> Option<Usage> {
        self.events.iter().find_map(|event| match &event.event {
            Some(Event::Usage(usage)) => Some(usage.clone()),
            _ => None,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_send_waits_for_the_search_and_the_first_tokens_clock_with_it() {
    let stage = Stage::with(vec![("one", vec![says("hello")])], |config| {
        config.clocks.first_token = Duration::from_secs(1);
    });
    let request = request(true);
    let searching = Searching::new(&request, true, true);
    let mut answer = pin!(stage.answer_with(&request, &searching));
    assert!(answer.as_mut().now_or_never().is_none());
    assert_eq!((stage.asked(), stage.sent(0).len()), (vec![1], 0));
    let search = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        searching.found(&request, one_result());
    };
    let (told, ()) = tokio::join!(answer, search);
    assert_eq!(told.text(), format!("{BLOCK}hello"));
    assert_eq!(told.search.as_deref(), Some("ok"));
}

#[tokio::test(start_paused = true)]
async fn a_retry_neither_searches_nor_weaves_again() {
    for stream in [true, false] {
        let broken = Act::Fail(failure(FailureKind::Unavailable));
        let stage = Stage::new(vec![("one", vec![broken, says("see [1]")])]);
        let request = marked(stream);
        let searching = Searching::new(&request, false, true);
        searching.found(&request, one_result());
        let told = stage.answer_with(&request, &searching).await;
        assert_eq!(told.text(), format!("{BLOCK}see [1]"));
        assert_eq!(told.annotation_count(), 2);
        let sent = stage.sent(0);
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0], sent[1]);
        let (last, options) = &sent[0];
        assert_eq!(last.matches("https://a.example/").count(), 1);
        assert!(last.ends_with("\n\nhi"), "{last}");
        assert_eq!(options, "");
    }
}

#[tokio::test(start_paused = true)]
async fn without_results_the_model_gets_what_the_client_sent() {
    for (status, word) in [
        (SearchStatus::Empty, "empty"),
        (SearchStatus::Blocked, "blocked"),
        (SearchStatus::Failed, "failed"),
    ] {
        let stage = Stage::new(vec![("one", vec![says("hello")])]);
        let request = marked(true);
        let searching = Searching::new(&request, false, true);
        searching.found(&request, nothing(status));
        let told = stage.answer_with(&request, &searching).await;
        assert_eq!(
            (told.text().as_str(), told.annotation_count(), told.search),
            ("hello", 0, Some(word.to_owned()))
        );
        assert_eq!(stage.sent(0), [("hi".to_owned(), String::new())]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_searches_by_itself_gets_what_only_the_options_mark() {
    for (is_always, expected) in [(false, ("hi", "{}")), (true, ("hi", ""))] {
        let stage = Stage::new(vec![("one", vec![says("hello")])]);
        let mut config = UpstreamConfig::named("one", None);
        config.web_search = WebSearch::Upstream;
        let request = marked(true);
        let searching = Searching::new(&request, is_always, true);
        searching.found(&request, nothing(SearchStatus::Empty));
        let replacement = searching.replacement_at(&config);
        let call = ChatCall {
            request: &request,
            replacement,
            model: "m",
            credential: &crate::upstream::ANONYMOUS,
            trace: None,
        };
        drop(stage.upstreams[0].chat(call).await.expect("answered"));
        let (text, options) = expected;
        assert_eq!(stage.sent(0), [(text.to_owned(), options.to_owned())]);
        let status = searching.status(replacement.is_some());
        assert_eq!(status, if is_always { "empty" } else { "skipped" });
    }
}

#[tokio::test(start_paused = true)]
async fn json_is_not_broken_by_a_block() {
    let mut request = request(true);
    request.response_format = Some(ResponseFormat {
        r#type: "json_schema".to_owned(),
        json_schema: Some(JsonSchema::default()),
        extra_fields: Vec::new(),
    });
    for (request, shows_block) in [(request, true), (super::request(true), false)] {
        let stage = Stage::new(vec![("one", vec![says("{}")])]);
        let searching = Searching::new(&request, true, shows_block);
        searching.found(&request, one_result());
        let told = stage.answer_with(&request, &searching).await;
        assert_eq!((told.text().as_str(), told.annotation_count()), ("{}", 1));
    }
}

#[tokio::test]
async fn an_estimate_counts_the_results_as_read_and_the_block_not_as_written() {
    let answer = || Act::Answer(vec![vec![start(), text("hello"), finish()]], End::Complete);
    let mut estimates = Vec::new();
    for found in [one_result(), nothing(SearchStatus::Empty)] {
        let stage = Stage::new(vec![("one", vec![answer()])]);
        let request = request(true);
        let searching = Searching::new(&request, true, true);
        searching.found(&request, found);
        let told = stage.answer_with(&request, &searching).await;
        estimates.push(told.estimate().expect("estimated"));
    }
    assert_eq!(
        estimates[0].completion_tokens,
        estimates[1].completion_tokens
    );
    assert!(estimates[0].prompt_tokens > estimates[1].prompt_tokens + 50);
}

#[tokio::test(start_paused = true)]
async fn blocks_of_earlier_answers_do_not_reach_the_model() {
    let stage = Stage::new(vec![("one", vec![says("hello")])]);
    let mut request = request(true);
    request.messages.insert(
        0,
        Message {
            role: "assistant".to_owned(),
            content: Some(format!("{BLOCK}earlier")),
            ..Message::default()
        },
    );
    let events = stage.send(request).await.expect("answered");
    assert_eq!(told(&events), ("hello".to_owned(), 1, None));
    let sent = stage.upstreams[0].sent.lock().unwrap();
    assert_eq!(sent[0].messages[0].content.as_deref(), Some("earlier"));
}

#[tokio::test(start_paused = true)]
async fn where_search_is_off_the_options_go_on_and_the_search_counts_as_skipped() {
    for (request, options) in [
        (marked(true), "{}"),
        (
            ChatRequest {
                web_search: true,
                ..request(true)
            },
            "",
        ),
    ] {
        let stage = Stage::new(vec![("one", vec![says("hello")])]);
        let answer = stage.chats.answer(request, &mut Ledger::of_nobody()).await;
        let answer = answer.expect("answered");
        assert_eq!(answer.search_status(), Some("skipped"));
        assert_eq!(stage.sent(0), [("hi".to_owned(), options.to_owned())]);
    }
    let stage = Stage::new(vec![("one", vec![says("hello")])]);
    let mut ledger = Ledger::of_nobody();
    let answer = stage.chats.answer(request(true), &mut ledger);
    assert_eq!(answer.await.expect("answered").search_status(), None);
}
