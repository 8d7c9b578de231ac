//! Web search woven into answers, with a SearXNG that answers as it is told and an upstream that records what it was sent.

mod answers;
mod failures;
mod real_searxng;
mod requests;
mod sending;
mod spans;

use std::ops::Range;

use llm2api_proto::v1::{
    ChatEvent, ChatRequest, UrlCitation, chat_event::Event, chat_service_client::ChatServiceClient,
};
use llm2api_test_support::{
    Answer, Deployment, Llm2Api, Request, Script, ScriptedSearxng, ScriptedUpstream,
    scripted_searxng,
};
use serde_json::{Value, json};

use crate::{
    canned,
    stage::{MODEL, instance},
};

pub(crate) const WEB: &str = "/web/v1/chat/completions";
const QUESTION: &str = "Wie hoch ist der Brocken?";
const BLOCK: &str = "<search>\n[1] Der Brocken 🙂 — https://a.example/brocken\nEr ist 1141 m hoch.\n\n[2] Harz — https://b.example/\n</search>\n\n";

/// An upstream, a SearXNG and an instance in front of both.
struct Stage {
    upstream: ScriptedUpstream,
    searxng: ScriptedSearxng,
    instance: Llm2Api,
}

impl Stage {
    async fn new(deployment: Deployment) -> Self {
        Self::with(deployment, found(), &[]).await
    }

    /// With a SearXNG that answers so, and these settings.
    async fn with(deployment: Deployment, answer: Script, settings: &[(&str, &str)]) -> Self {
        let upstream = ScriptedUpstream::start(&[MODEL]).await;
        upstream.answer(MODEL, canned::stream_text(&["1141 m [", "1]."]));
        let searxng = ScriptedSearxng::start().await;
        searxng.answers(answer);
        let mut starting = instance(deployment)
            .setting("UPSTREAM_URL", &upstream.url())
            .setting("SEARXNG_URL", &searxng.url());
        for (name, value) in settings {
            starting = starting.setting(name, value);
        }
        let instance = starting.start().await;
        Self {
            upstream,
            searxng,
            instance,
        }
    }

    async fn ask(&self, path: &str, body: &Value) -> Answer {
        self.instance
            .exchange(&Request::post_json(path, body.to_string()))
            .await
    }

    /// The messages of the upstream's chat of this number.
    async fn sent(&self, number: usize) -> Vec<Value> {
        let mut body = self.upstream.chat(number).await.json();
        serde_json::from_value(body["messages"].take()).unwrap()
    }

    /// How often something was searched for.
    fn searches(&self) -> usize {
        self.searxng.searches().len()
    }
}

/// Two results.
fn found() -> Script {
    scripted_searxng::found(&[
        (
            "Der Brocken 🙂",
            "https://a.example/brocken",
            "Er ist 1141 m hoch.",
        ),
        ("Harz", "https://b.example/", ""),
    ])
}

fn question(stream: bool) -> Value {
    json!({
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": QUESTION},
        ],
        "stream": stream,
    })
}

/// What an annotation cites: the piece of the text, the title and the address.
type Cited = (String, String, String);

/// What annotations cite.
pub(crate) fn cited(content: &str, annotations: &Value) -> Vec<Cited> {
    let annotations = annotations.as_array().unwrap().iter();
    annotations
        .map(|annotation| {
            assert_eq!(annotation["type"], "url_citation");
            let citation = &annotation["url_citation"];
            let place = |name: &str| citation[name].as_i64().unwrap();
            let text = |name: &str| citation[name].as_str().unwrap().to_owned();
            let piece = piece(content, place("start_index")..place("end_index"));
            (piece, text("title"), text("url"))
        })
        .collect()
}

/// A piece of a text, by code points.
fn piece(text: &str, place: Range<i64>) -> String {
    let at = |index: i64| usize::try_from(index).unwrap();
    let characters: Vec<char> = text.chars().collect();
    characters[at(place.start)..at(place.end)].iter().collect()
}

/// What a gRPC caller gets.
pub(crate) struct Told {
    /// The metadata `x-llm2api-search`.
    pub(crate) status: String,
    /// The text of the first choice.
    pub(crate) content: String,
    /// What it cites.
    pub(crate) cited: Vec<Cited>,
    /// The addresses of all that was found.
    pub(crate) citations: Value,
}

/// Asks by gRPC, with a search.
pub(crate) async fn ask_grpc(instance: &Llm2Api, request: ChatRequest) -> Told {
    let address = format!("http://{}", instance.grpc());
    let mut client = ChatServiceClient::connect(address).await.unwrap();
    let request = ChatRequest {
        web_search: true,
        ..request
    };
    let response = client.chat(request).await.unwrap();
    let status = response.metadata().get("x-llm2api-search").unwrap();
    let status = status.to_str().unwrap().to_owned();
    let mut responses = response.into_inner();
    let mut content = String::new();
    let mut annotations: Vec<UrlCitation> = Vec::new();
    let mut citations = Value::Null;
    while let Some(response) = responses.message().await.unwrap() {
        for ChatEvent {
            event,
            extra_fields,
        } in response.events
        {
            if let Some(Event::Delta(delta)) = event {
                content.push_str(&delta.content.unwrap_or_default());
                annotations.extend(delta.annotations);
            }
            let listed = extra_fields.iter().find(|field| field.name == "citations");
            if let Some(listed) = listed {
                citations = serde_json::from_str(&listed.value_json).unwrap();
            }
        }
    }
    let cited = annotations
        .into_iter()
        .map(|citation| {
            let place = citation.start_index..citation.end_index;
            (piece(&content, place), citation.title, citation.url)
        })
        .collect();
    Told {
        status,
        content,
        cited,
        citations,
    }
}

/// What an answer that cites the first result by its number has as annotations.
fn sources() -> Vec<Cited> {
    [
        (
            "[1] Der Brocken 🙂 — https://a.example/brocken",
            "Der Brocken 🙂",
            "https://a.example/brocken",
        ),
        (
            "[2] Harz — https://b.example/",
            "Harz",
            "https://b.example/",
        ),
        ("[1]", "Der Brocken 🙂", "https://a.example/brocken"),
    ]
    .map(|(piece, title, url)| (piece.to_owned(), title.to_owned(), url.to_owned()))
    .into()
}

/// Checks that a message has results in front of its text, and nothing behind it.
#[track_caller]
fn assert_woven(message: &Value, text: &str) {
    let content = message["content"].as_str().unwrap();
    assert!(content.starts_with("<web_results>\n[1] Der Brocken 🙂 — https://a.example/brocken\n> Er ist 1141 m hoch.\n\n[2] Harz — https://b.example/\n</web_results>\n"), "{content}");
    assert!(content.ends_with(&format!(".\n\n{text}")), "{content}");
    assert_eq!(content.matches("https://a.example/brocken").count(), 1);
}
