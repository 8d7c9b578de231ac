//! Web search woven into answers, with a SearXNG that answers as it is told and an upstream that records what it was sent.

mod answers;
mod failures;
mod requests;

use llm2api_test_support::{
    Answer, Deployment, Llm2Api, Request, Script, ScriptedSearxng, ScriptedUpstream,
    scripted_searxng,
};
use serde_json::{Value, json};

use crate::{
    canned,
    stage::{MODEL, instance},
};

const WEB: &str = "/web/v1/chat/completions";
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

/// What annotations cite: the piece of the text, the title and the address.
fn cited(content: &str, annotations: &Value) -> Vec<(String, String, String)> {
    let characters: Vec<char> = content.chars().collect();
    let place =
        |citation: &Value, name: &str| usize::try_from(citation[name].as_u64().unwrap()).unwrap();
    annotations
        .as_array()
        .unwrap()
        .iter()
        .map(|annotation| {
            assert_eq!(annotation["type"], "url_citation");
            let citation = &annotation["url_citation"];
            let piece = place(citation, "start_index")..place(citation, "end_index");
            (
                characters[piece].iter().collect(),
                citation["title"].as_str().unwrap().to_owned(),
                citation["url"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

/// What an answer that cites the first result by its number has as annotations.
fn sources() -> Vec<(String, String, String)> {
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
