//! The attempt loop and the committed stream over adapters that do as a test tells them, with paused clocks.

mod credentials;
mod web_search;

use std::{collections::VecDeque, sync::Mutex};

use futures_util::StreamExt;
use llm2api_proto::v1::{
    ChatEvent, ChatStart, ChoiceDelta, ChoiceFinish, ErrorReason, FinishReason, Message, RawField,
    Usage, chat_event::Event,
};
use tokio::time::Instant;
use tonic::async_trait;

use super::*;
use crate::{
    config::{Cooldown, UpstreamConfig, UpstreamKind},
    upstream::{
        Answer, Batch, ChatCall, Clock, Credential, Failure, FailureKind, ListedModel, Upstream,
        failure::UpstreamError,
    },
};

/// What an upstream does with one attempt.
enum Act {
    Fail(Failure),
    /// Never answers.
    Hang,
    /// Answers with these batches, then ends, fails or hangs.
    Answer(Vec<Vec<ChatEvent>>, End),
}

enum End {
    Complete,
    Fail(Failure),
    Hang,
}

/// An adapter that does what it is told, attempt by attempt.
#[derive(Default)]
struct Scripted {
    acts: Mutex<VecDeque<Act>>,
    asked: Mutex<Vec<String>>,
    /// What it was sent.
    sent: Mutex<Vec<ChatRequest>>,
    lacks: Option<&'static str>,
}

#[async_trait]
impl Upstream for Arc<Scripted> {
    fn kind(&self) -> UpstreamKind {
        UpstreamKind::OpenAi
    }

    fn unsupported_field(&self, _request: &ChatRequest, _model: &str) -> Option<&'static str> {
        self.lacks
    }

    async fn chat(&self, call: ChatCall<'_>) -> Result<Answer, Failure> {
        self.asked.lock().unwrap().push(call.model.to_owned());
        let request = call.ready().await.clone();
        self.sent.lock().unwrap().push(request);
        let act = self
            .acts
            .lock()
            .unwrap()
            .pop_front()
            .expect("no attempt too many");
        match act {
            Act::Fail(failure) => Err(failure),
            Act::Hang => std::future::pending().await,
            Act::Answer(batches, end) => {
                let batches = futures_util::stream::iter(batches).map(|events| {
                    Ok(Batch {
                        size_bytes: 100 * events.len().max(1),
                        events,
                        ..Batch::default()
                    })
                });
                let end = futures_util::stream::once(async move {
                    match end {
                        End::Complete => None,
                        End::Fail(failure) => Some(Err(failure)),
                        End::Hang => std::future::pending().await,
                    }
                });
                Ok(Box::pin(batches.chain(end.filter_map(async |item| item))))
            }
        }
    }

    async fn list_models(&self, _credential: &Credential) -> Result<Vec<ListedModel>, Failure> {
        Err(failure(FailureKind::Unavailable))
    }
}

fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, "as told")
}

fn event(event: Event) -> ChatEvent {
    ChatEvent {
        event: Some(event),
        extra_fields: Vec::new(),
    }
}

fn start() -> ChatEvent {
    event(Event::Start(ChatStart {
        id: "id-1".to_owned(),
        ..ChatStart::default()
    }))
}

fn text(content: &str) -> ChatEvent {
    event(Event::Delta(ChoiceDelta {
        content: Some(content.to_owned()),
        ..ChoiceDelta::default()
    }))
}

fn finish() -> ChatEvent {
    event(Event::Finish(ChoiceFinish {
        reason: FinishReason::Stop.into(),
        ..ChoiceFinish::default()
    }))
}

fn usage() -> ChatEvent {
    event(Event::Usage(Usage {
        prompt_tokens: 1,
        completion_tokens: 2,
        total_tokens: 3,
        ..Usage::default()
    }))
}

/// A whole answer of one word.
fn says(word: &str) -> Act {
    Act::Answer(
        vec![vec![start()], vec![text(word)], vec![finish(), usage()]],
        End::Complete,
    )
}

/// Chats over scripted upstreams, all with the model `m`.
struct Stage {
    chats: Chats,
    upstreams: Vec<Arc<Scripted>>,
}

impl Stage {
    fn new(scripts: Vec<(&str, Vec<Act>)>) -> Self {
        Self::with(scripts, |_| {})
    }

    fn with(scripts: Vec<(&str, Vec<Act>)>, adjust: impl FnOnce(&mut Config)) -> Self {
        let mut configs = Vec::new();
        let mut upstreams = Vec::new();
        for (at, (name, acts)) in scripts.into_iter().enumerate() {
            let priority = i32::try_from(at).expect("few");
            let models: &[&str] = if name == "spare" { &["other"] } else { &["m"] };
            configs.push(UpstreamConfig {
                priority,
                ..UpstreamConfig::named(name, Some(models))
            });
            upstreams.push(Arc::new(Scripted {
                acts: Mutex::new(acts.into()),
                ..Scripted::default()
            }));
        }
        let mut config = Config::of_upstreams(configs);
        adjust(&mut config);
        let adapters = upstreams
            .iter()
            .map(|upstream| Box::new(Arc::clone(upstream)) as Box<dyn Upstream>);
        let registry = Arc::new(Registry::with_adapters(&config, adapters.collect()));
        Self {
            chats: Chats::new(
                &config,
                registry,
                Arc::new(Search::new(&config).expect("no instance")),
                Arc::new(Monitor::new(1)),
                &CancellationToken::new(),
            ),
            upstreams,
        }
    }

    async fn ask(
        &self,
        stream: bool,
    ) -> Result<Vec<Result<ChatEvent, ErrorReason>>, ContractError> {
        self.send(request(stream)).await
    }

    /// Sends a chat and reads its answer to the end.
    async fn send(
        &self,
        request: ChatRequest,
    ) -> Result<Vec<Result<ChatEvent, ErrorReason>>, ContractError> {
        let mut answer = self.chats.answer(request, &mut Ledger::of_nobody()).await?;
        let mut events = Vec::new();
        while let Some(item) = answer.next().await {
            match item {
                Ok(response) => events.extend(response.events.into_iter().map(Ok)),
                Err(status) => {
                    events.push(Err(ContractError::from_status(&status)
                        .expect("ours")
                        .reason));
                }
            }
        }
        Ok(events)
    }

    /// How often each upstream was asked.
    fn asked(&self) -> Vec<usize> {
        self.upstreams
            .iter()
            .map(|upstream| upstream.asked.lock().unwrap().len())
            .collect()
    }
}

fn request(stream: bool) -> ChatRequest {
    let message = Message {
        role: "user".to_owned(),
        content: Some("hi".to_owned()),
        ..Message::default()
    };
    ChatRequest {
        model: "m".to_owned(),
        messages: vec![message],
        stream: Some(stream),
        ..ChatRequest::default()
    }
}

/// The text of an answer, its attempts, and how it ended.
fn told(events: &[Result<ChatEvent, ErrorReason>]) -> (String, i32, Option<ErrorReason>) {
    let (mut told, mut attempts, mut error) = (String::new(), 0, None);
    for item in events {
        match item.as_ref().map(|event| event.event.as_ref()) {
            Ok(Some(Event::Start(start))) => attempts = start.attempt_count,
            Ok(Some(Event::Delta(delta))) => told += delta.content.as_deref().unwrap_or_default(),
            Ok(_) => {}
            Err(reason) => error = Some(*reason),
        }
    }
    (told, attempts, error)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_introduced_and_goes_out_in_order() {
    for stream in [true, false] {
        let stage = Stage::new(vec![("one", vec![says("hello")])]);
        let events = stage.ask(stream).await.expect("answered");
        let Ok(ChatEvent {
            event: Some(Event::Start(head)),
            ..
        }) = &events[0]
        else {
            panic!("{events:?}");
        };
        assert_eq!((head.id.as_str(), head.model.as_str()), ("id-1", "m"));
        assert_eq!(
            (head.upstream.as_str(), head.upstream_model.as_str()),
            ("one", "m")
        );
        assert!(head.create_time.is_some());
        assert_eq!(events[1..], [Ok(text("hello")), Ok(finish()), Ok(usage())]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_upstream_is_followed_by_another_and_then_tried_again() {
    let stage = Stage::new(vec![
        (
            "one",
            vec![Act::Fail(failure(FailureKind::Unavailable)), says("again")],
        ),
        (
            "two",
            vec![Act::Fail(failure(FailureKind::Clock(Clock::Connect)))],
        ),
    ]);
    let events = stage.ask(true).await.expect("the third attempt answers");
    assert_eq!(told(&events), ("again".to_owned(), 3, None));
    assert_eq!(stage.asked(), [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn attempts_end_at_the_bound_with_the_last_cause() {
    let unavailable = || Act::Fail(failure(FailureKind::Unavailable));
    let stage = Stage::new(vec![(
        "one",
        vec![unavailable(), unavailable(), unavailable()],
    )]);
    let error = stage.ask(true).await.expect_err("three failed");
    assert_eq!(
        (error.reason, stage.asked()),
        (ErrorReason::UpstreamError, vec![3])
    );
    assert_eq!(error.message, "The upstream `one` failed: as told.");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_slow_to_begin_is_never_asked_again() {
    let begun = Instant::now();
    let stage = Stage::new(vec![("one", vec![Act::Hang])]);
    let error = stage.ask(true).await.expect_err("no token");
    assert_eq!(
        (error.reason, stage.asked()),
        (ErrorReason::FirstTokenTimeout, vec![1])
    );
    assert_eq!(begun.elapsed(), Duration::from_secs(30));

    let stage = Stage::new(vec![("one", vec![Act::Hang]), ("two", vec![says("here")])]);
    let events = stage.ask(true).await.expect("another answers");
    assert_eq!(
        (told(&events), stage.asked()),
        (("here".to_owned(), 2, None), vec![1, 1])
    );
}

#[tokio::test(start_paused = true)]
async fn what_costs_nothing_is_not_counted() {
    let limited = || Failure {
        retry_after: Some(Duration::from_secs(7)),
        ..failure(FailureKind::RateLimited)
    };
    let stage = Stage::new(vec![
        ("one", vec![Act::Fail(limited())]),
        ("two", vec![Act::Fail(failure(FailureKind::Unauthorized))]),
        ("three", vec![Act::Fail(failure(FailureKind::ModelGone))]),
        ("four", vec![Act::Fail(failure(FailureKind::QuotaSpent))]),
        ("five", vec![says("last")]),
    ]);
    let events = stage.ask(true).await.expect("the fifth answers");
    assert_eq!(told(&events), ("last".to_owned(), 5, None));

    // All but the fifth are out now, each for its own time.
    stage.upstreams[4]
        .acts
        .lock()
        .unwrap()
        .push_back(says("again"));
    assert_eq!(
        told(&stage.ask(true).await.expect("it still can")),
        ("again".to_owned(), 1, None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_busy_upstream_is_not_asked_again_and_not_left_alone_later() {
    let busy = || {
        Act::Fail(Failure {
            retry_after: Some(Duration::from_secs(7)),
            ..failure(FailureKind::Busy)
        })
    };
    let stage = Stage::new(vec![
        ("one", vec![busy(), busy(), says("room")]),
        (
            "two",
            vec![says("here"), Act::Fail(failure(FailureKind::Unusable))],
        ),
    ]);
    let events = stage.ask(true).await.expect("another answers");
    assert_eq!(told(&events), ("here".to_owned(), 2, None));

    // Whatever the last one said: where one is busy, coming again helps.
    let error = stage.ask(true).await.expect_err("nobody is left");
    assert_eq!(
        error,
        ContractError::new(
            ErrorReason::ServerIsOverloaded,
            "The upstream `one` is busy: as told; try again in 7 s."
        )
        .with_retry_after(Duration::from_secs(7))
    );

    let events = stage.ask(true).await.expect("there is room");
    assert_eq!(told(&events), ("room".to_owned(), 1, None));
}

#[tokio::test(start_paused = true)]
async fn an_unusable_upstream_is_asked_once_a_request() {
    let stage = Stage::new(vec![(
        "one",
        vec![Act::Fail(failure(FailureKind::Unusable))],
    )]);
    let error = stage.ask(true).await.expect_err("nobody is left");
    assert_eq!(
        (error.reason, stage.asked()),
        (ErrorReason::UpstreamUnavailable, vec![1])
    );
}

#[tokio::test(start_paused = true)]
async fn when_all_cool_the_client_hears_when_to_come_back() {
    let limited = |seconds| {
        let retry_after = Some(Duration::from_secs(seconds));
        Act::Fail(Failure {
            retry_after,
            ..failure(FailureKind::RateLimited)
        })
    };
    let stage = Stage::new(vec![("one", vec![limited(9)]), ("two", vec![limited(7)])]);
    for _ in 0..2 {
        let error = stage.ask(true).await.expect_err("both are limited");
        assert_eq!(error.reason, ErrorReason::RateLimitExceeded);
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    }
    assert_eq!(stage.asked(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_passed_on_where_nothing_cools() {
    let limited = || {
        Act::Fail(Failure {
            status: Some(429),
            upstream_error: Some(UpstreamError {
                message: "slow down".to_owned(),
                ..UpstreamError::default()
            }),
            ..failure(FailureKind::RateLimited)
        })
    };
    let stage = Stage::with(vec![("one", vec![limited(), limited()])], |config| {
        config.upstreams[0].cooldown = Some(Cooldown::Off);
    });
    for asked in [1, 2] {
        let error = stage.ask(true).await.expect_err("limited");
        assert_eq!(
            (error.message.as_str(), error.retry_after),
            ("slow down", None)
        );
        assert_eq!(
            error.passed_on.map(|passed_on| passed_on.http_status),
            Some(429)
        );
        assert_eq!(stage.asked(), [asked]);
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_ours_and_of_the_client_are_told_at_once() {
    let rejected = Failure {
        status: Some(400),
        upstream_error: Some(UpstreamError {
            message: "too long".to_owned(),
            param: Some("messages".to_owned()),
            code: Some("context_length_exceeded".to_owned()),
            error_type: None,
        }),
        ..failure(FailureKind::Rejected)
    };
    for (failure, reason) in [
        (rejected, ErrorReason::ContextLengthExceeded),
        (failure(FailureKind::Rejected), ErrorReason::InvalidRequest),
        (
            failure(FailureKind::Misconfigured),
            ErrorReason::UpstreamMisconfigured,
        ),
    ] {
        let stage = Stage::new(vec![
            ("one", vec![Act::Fail(failure)]),
            ("two", vec![says("no")]),
        ]);
        let error = stage.ask(true).await.expect_err("told");
        assert_eq!((error.reason, stage.asked()), (reason, vec![1, 0]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_not_the_clients() {
    let stage = Stage::new(vec![(
        "one",
        vec![Act::Fail(failure(FailureKind::Unauthorized))],
    )]);
    for _ in 0..2 {
        let error = stage.ask(true).await.expect_err("no key is valid");
        assert_eq!(error.reason, ErrorReason::NoValidKey);
    }
    assert_eq!(stage.asked(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_gone_is_not_asked_for_within_a_minute() {
    let gone = Failure {
        status: Some(404),
        ..failure(FailureKind::ModelGone)
    };
    let stage = Stage::new(vec![("one", vec![Act::Fail(gone), says("back")])]);
    for _ in 0..2 {
        let error = stage.ask(true).await.expect_err("gone");
        assert_eq!(error.reason, ErrorReason::ModelNotFound);
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(told(&stage.ask(true).await.expect("back")).0, "back");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_meaning_is_a_failure() {
    let empty = || {
        event(Event::Delta(ChoiceDelta {
            role: "assistant".to_owned(),
            ..ChoiceDelta::default()
        }))
    };
    let chatter = std::iter::repeat_with(|| vec![empty()]).take(700).collect();
    for act in [
        Act::Answer(vec![vec![start(), empty()]], End::Complete),
        Act::Answer(
            vec![vec![start()], vec![]],
            End::Fail(failure(FailureKind::Unavailable)),
        ),
        Act::Answer(chatter, End::Hang),
    ] {
        let stage = Stage::new(vec![("one", vec![act]), ("two", vec![says("better")])]);
        assert_eq!(
            told(&stage.ask(true).await.expect("the other answers")),
            ("better".to_owned(), 2, None)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_breaks_after_the_first_token_ends_a_stream_and_is_retried_unstreamed() {
    let broken = |end| Act::Answer(vec![vec![start(), text("half")], vec![text(" a")]], end);
    for (end, reason) in [
        (
            End::Fail(failure(FailureKind::Unavailable)),
            ErrorReason::UpstreamError,
        ),
        (End::Hang, ErrorReason::IdleTimeout),
    ] {
        let stage = Stage::new(vec![
            ("one", vec![broken(end)]),
            ("two", vec![says("never")]),
        ]);
        let events = stage.ask(true).await.expect("it began");
        assert_eq!(told(&events), ("half a".to_owned(), 1, Some(reason)));
        assert_eq!(stage.asked(), [1, 0]);
    }
    for end in [End::Fail(failure(FailureKind::Unavailable)), End::Hang] {
        let stage = Stage::new(vec![
            ("one", vec![broken(end)]),
            ("two", vec![says("whole")]),
        ]);
        let events = stage.ask(false).await.expect("the other answers");
        assert_eq!(
            (told(&events), stage.asked()),
            (("whole".to_owned(), 2, None), vec![1, 1])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_in_all_has_its_clock_where_it_is_not_streamed() {
    // A sign of life every nine seconds, so that no other clock runs out.
    let stage = Stage::with(
        vec![(
            "one",
            vec![Act::Answer(vec![vec![start(), text("a")]], End::Hang)],
        )],
        |config| {
            config.clocks.idle = Duration::from_secs(1000);
        },
    );
    let begun = Instant::now();
    let error = stage.ask(false).await.expect_err("not complete");
    assert_eq!(error.reason, ErrorReason::RequestTimeout);
    assert_eq!(begun.elapsed(), Duration::from_secs(100));
}

#[tokio::test(start_paused = true)]
async fn another_model_answers_where_the_asked_one_cannot() {
    let stage = |act| {
        Stage::with(
            vec![("one", vec![act]), ("spare", vec![says("instead")])],
            |config| {
                config.fallback_model = Some("other".to_owned());
                config.retry_attempts = NonZeroU32::MIN;
            },
        )
    };
    for kind in [
        FailureKind::Unavailable,
        FailureKind::RateLimited,
        FailureKind::Unauthorized,
    ] {
        let stage = stage(Act::Fail(failure(kind)));
        let events = stage.ask(true).await.expect("the fallback answers");
        let Ok(ChatEvent {
            event: Some(Event::Start(head)),
            ..
        }) = &events[0]
        else {
            panic!("{events:?}");
        };
        assert_eq!(
            (head.model.as_str(), head.fallback_from.as_str()),
            ("other", "m")
        );
        assert_eq!(told(&events), ("instead".to_owned(), 2, None));
    }
    let clock = FailureKind::Clock(Clock::Connect);
    for kind in [clock, FailureKind::Rejected, FailureKind::ModelGone] {
        let stage = stage(Act::Fail(failure(kind)));
        stage.ask(true).await.expect_err("no fallback for this");
        assert_eq!(stage.asked(), [1, 0]);
    }
    let stage = stage(Act::Fail(failure(FailureKind::Unavailable)));
    let functions = RawField {
        name: "functions".to_owned(),
        value_json: "[]".to_owned(),
    };
    let request = ChatRequest {
        extra_fields: vec![functions],
        ..request(true)
    };
    stage
        .send(request)
        .await
        .expect_err("not where another model won't do");
    assert_eq!(stage.asked(), [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn usage_is_estimated_where_the_upstream_reports_none() {
    for stream in [true, false] {
        let silent = Act::Answer(
            vec![vec![start(), text("one two three")], vec![finish()]],
            End::Complete,
        );
        let stage = Stage::new(vec![("one", vec![silent])]);
        let events = stage.ask(stream).await.expect("answered");
        let Some(Ok(ChatEvent {
            event: Some(Event::Usage(usage)),
            ..
        })) = events.last()
        else {
            panic!("{events:?}");
        };
        assert!(usage.estimated);
        assert_eq!(usage.completion_tokens, 3);
        assert_eq!(usage.total_tokens, usage.prompt_tokens + 3);
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_what_runs_and_what_waits() {
    let stage = Stage::new(vec![(
        "one",
        vec![
            Act::Answer(vec![vec![start(), text("half")]], End::Hang),
            Act::Hang,
        ],
    )]);
    let mut answer = stage
        .chats
        .answer(request(true), &mut Ledger::of_nobody())
        .await
        .expect("begun");
    assert!(answer.next().await.expect("the opening").is_ok());
    let mut ledger = Ledger::of_nobody();
    let waiting = stage.chats.answer(request(true), &mut ledger);
    tokio::pin!(waiting);
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());

    stage.chats.ending().cancel();
    let status = answer
        .next()
        .await
        .expect("an end")
        .expect_err("not a complete one");
    assert_eq!(
        ContractError::from_status(&status).expect("ours").reason,
        ErrorReason::ShuttingDown
    );
    assert!(answer.next().await.is_none());
    assert_eq!(
        waiting.await.err().expect("ended").reason,
        ErrorReason::ShuttingDown
    );
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_lacks_what_is_asked_is_passed_over() {
    let mut stage = Stage::new(vec![("one", vec![])]);
    let lacking = Arc::new(Scripted {
        lacks: Some("tools"),
        ..Scripted::default()
    });
    let config = Config::of_upstreams(vec![UpstreamConfig::named("one", Some(&["m"]))]);
    let registry = Registry::with_adapters(&config, vec![Box::new(Arc::clone(&lacking))]);
    stage.chats.registry = Arc::new(registry);
    let error = stage.ask(true).await.expect_err("nobody can");
    assert_eq!(
        (error.reason, error.param.as_deref()),
        (ErrorReason::UnsupportedParameter, Some("tools"))
    );
}
