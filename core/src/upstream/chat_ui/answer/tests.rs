//! The stream over bodies that a test makes up, with paused clocks.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use llm2api_proto::v1::{ChatRequest, chat_event::Event};

use super::{
    super::{
        super::{
            ANONYMOUS,
            http_client::tests::{config, upstream_at},
        },
        clean_up::Job,
        conversation::Exchange,
    },
    *,
};

const KEEP_ALIVE: &str = "{\"type\":\"status\",\"status\":\"keepAlive\"}\n";

/// What an answer came to: its text, its failure, and whether its generation is left running.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    content: String,
    failure: Option<FailureKind>,
    is_running: bool,
}

async fn read(pieces: impl Stream<Item = Bytes> + Send + Sync + 'static) -> Outcome {
    let (site, mut left) = Site::new(&upstream_at("http://127.0.0.1:9"), &config()).expect("good");
    let site = Arc::new(site);
    let session = Session::new(&ANONYMOUS, site.cookie_name()).expect("sendable");
    let session = Arc::new(session);
    let body = reqwest::Body::wrap_stream(pieces.map(Ok::<_, std::io::Error>));
    let conversation = Conversation::answered_with(&site, &session, body);
    let decoder = Decoder::new(&ChatRequest::default(), 1 << 20);
    let mut answer = AnswerStream::new(&site, session, conversation, decoder, 1 << 20);
    let (mut content, mut failure) = (String::new(), None);
    while let Some(batch) = answer.next().await {
        match batch {
            Ok(batch) => {
                for event in batch.events {
                    if let Some(Event::Delta(delta)) = event.event {
                        content += delta.content.as_deref().unwrap_or_default();
                    }
                }
            }
            Err(broken) => failure = Some(broken.kind),
        }
    }
    let Ok(Job::Leave(remains)) = left.try_recv() else {
        panic!("the conversation is left as soon as the answer is over");
    };
    Outcome {
        content,
        failure,
        is_running: !matches!(remains.exchange, Exchange::Over(_)),
    }
}

fn token(text: &str) -> String {
    format!("{{\"type\":\"stream\",\"token\":\"{text}\"}}\n")
}

fn final_answer(text: &str) -> String {
    format!(
        "{{\"type\":\"finalAnswer\",\"text\":\"{text}\"}}\n{}",
        " ".repeat(4096)
    )
}

/// Pieces, each a second after the one before, and then silence.
fn paced(pieces: Vec<String>) -> impl Stream<Item = Bytes> + Send + Sync + 'static {
    let pieces = stream::iter(pieces).then(async |piece| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Bytes::from(piece)
    });
    pieces.chain(stream::pending())
}

#[tokio::test(start_paused = true)]
async fn silence_for_long_ends_the_answer_and_its_generation_is_left_to_be_stopped() {
    let start = Instant::now();
    assert_eq!(
        read(paced(vec![token("Hel"), KEEP_ALIVE.to_owned()])).await,
        Outcome {
            content: "Hel".to_owned(),
            failure: Some(FailureKind::Unavailable),
            is_running: true,
        }
    );
    assert_eq!(start.elapsed().as_secs(), 2 + MAX_SILENCE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_are_no_silence() {
    let mut pieces = vec![KEEP_ALIVE.to_owned(); 100];
    pieces.push(token("Hello"));
    pieces.push(final_answer("Hello"));
    assert_eq!(
        read(paced(pieces)).await,
        Outcome {
            content: "Hello".to_owned(),
            failure: None,
            is_running: false,
        }
    );
}

#[tokio::test]
async fn an_answer_is_the_same_however_it_is_cut() {
    let text = format!(
        "{KEEP_ALIVE}{}{}{}",
        token("你好 "),
        token("🙂"),
        final_answer("你好 🙂")
    );
    let whole = Outcome {
        content: "你好 🙂".to_owned(),
        failure: None,
        is_running: false,
    };
    for size in [1, 2, 3, 7, 4096] {
        let pieces: Vec<Bytes> = text
            .as_bytes()
            .chunks(size)
            .map(Bytes::copy_from_slice)
            .collect();
        assert_eq!(read(stream::iter(pieces)).await, whole, "{size}");
    }
}

#[tokio::test]
async fn an_end_before_the_final_answer_is_cut() {
    let pieces = [Bytes::from(token("Hel")), Bytes::from("{\"type\":\"str")];
    assert_eq!(
        read(stream::iter(pieces)).await,
        Outcome {
            content: "Hel".to_owned(),
            failure: Some(FailureKind::Unavailable),
            is_running: true,
        }
    );
}
