//! The spans of a chat, by OpenTelemetry's conventions: the core's own, its web search's, and one for each attempt with that of its
//! request to the upstream.

use std::time::Duration;

use llm2api_proto::{
    Parent, Span, TraceContext,
    telemetry_names::{self as names, ERROR_TYPE, gen_ai, http, llm2api, rpc},
    v1::FinishReason,
};
use opentelemetry::{
    Array, KeyValue, StringValue, Value,
    trace::{SpanKind, Status},
};
use opentelemetry_sdk::trace::SpanData;
use tonic::Code;

use super::{
    attempt::{Attempt, End},
    content,
    record::{ChatRecord, Outcome, SearchRecord},
};
use crate::{
    config::UpstreamKind,
    registry::Entry,
    upstream::{Clock, FailureKind, shown_chat_url},
};

impl ChatRecord {
    /// The spans of this chat, the outermost first.
    pub(crate) fn spans(&self) -> Vec<SpanData> {
        let mut spans = Vec::with_capacity(2 + 2 * self.attempts.len());
        if !self.is_part {
            spans.push(self.server_span().into());
        }
        if let Some(search) = &self.search {
            spans.push(self.search_span(search).into());
        }
        for (number, attempt) in (1..).zip(&self.attempts) {
            spans.push(self.attempt_span(attempt, number).into());
            spans.extend(self.send_span(attempt).map(SpanData::from));
        }
        spans
    }

    fn server_span(&self) -> Span {
        let code = match self.outcome {
            Outcome::Answered => Code::Ok,
            Outcome::Cancelled => Code::Cancelled,
            Outcome::Failed(reason) | Outcome::Rejected(reason) => reason.grpc_code(),
        };
        let status_code = rpc::status_name(code);
        let mut attributes = vec![
            KeyValue::new(rpc::SYSTEM_NAME, "grpc"),
            KeyValue::new(rpc::METHOD, rpc::CHAT),
            KeyValue::new(rpc::STATUS_CODE, status_code),
            KeyValue::new(gen_ai::REQUEST_MODEL, self.asked.model.clone()),
            KeyValue::new(llm2api::OUTCOME, self.outcome.as_str()),
        ];
        let mut add = |name: &'static str, value: Value| {
            attributes.push(KeyValue::new(name, value));
        };
        if !self.context.request_id.is_empty() {
            add(llm2api::REQUEST_ID, self.context.request_id.clone().into());
        }
        if !self.context.client_id.is_empty() {
            add(llm2api::KEY_ID, self.context.client_id.clone().into());
        }
        if let Some(first_token) = self.first_token {
            add(llm2api::FIRST_TOKEN, first_token.as_secs_f64().into());
        }
        if let Some(waited) = self.waited_for_search() {
            add(llm2api::SEARCH_WAIT, waited.as_secs_f64().into());
        }
        if self.fell_back {
            add(llm2api::FALLBACK_FROM, self.asked.model.clone().into());
        }
        if let Some(tokens) = self.tokens() {
            add(gen_ai::USAGE_INPUT_TOKENS, to_value(tokens.input));
            add(gen_ai::USAGE_OUTPUT_TOKENS, to_value(tokens.output));
        }
        if !self.passed_over.is_empty() {
            add(llm2api::PASSED_OVER, list(&self.passed_over));
        }
        let mut status = Status::Unset;
        if let Some(reason) = self.outcome.error() {
            let reason = reason.as_info_reason().to_ascii_lowercase();
            // A client's mistake is no error of the server's.
            if matches!(self.outcome, Outcome::Failed(_)) {
                status = Status::error(reason.clone());
            }
            add(ERROR_TYPE, reason.into());
        }
        Span {
            context: self.context.trace,
            parent: self.context.parent,
            name: rpc::CHAT.into(),
            kind: SpanKind::Server,
            started_at: self.started_at,
            ended_at: self.started_at + self.took,
            status,
            attributes,
        }
    }

    /// For how long the first token waited for the web search. `None`: there was none.
    fn waited_for_search(&self) -> Option<Duration> {
        self.search?;
        Some(
            self.attempts
                .iter()
                .map(|attempt| attempt.searched_for)
                .sum(),
        )
    }

    fn search_span(&self, search: &SearchRecord) -> Span {
        Span {
            context: TraceContext {
                span_id: search.span_id,
                ..self.context.trace
            },
            parent: Some(Parent::here(self.context.trace)),
            name: "search".into(),
            kind: SpanKind::Client,
            started_at: self.started_at + search.began,
            ended_at: self.started_at + search.ended,
            status: Status::Unset,
            attributes: vec![
                KeyValue::new(gen_ai::OPERATION_NAME, "execute_tool"),
                KeyValue::new(llm2api::SEARCH_STATUS, search.status.as_str()),
                KeyValue::new(
                    llm2api::SEARCH_RESULTS,
                    i64::try_from(search.result_count).unwrap_or(i64::MAX),
                ),
            ],
        }
    }

    fn attempt_span(&self, attempt: &Attempt, number: i64) -> Span {
        let ended = attempt.ended.unwrap_or(self.took);
        let kind = attempt.entry.adapter.kind();
        let mut attributes = vec![
            KeyValue::new(gen_ai::OPERATION_NAME, "chat"),
            KeyValue::new(gen_ai::PROVIDER_NAME, kind.as_str()),
            KeyValue::new(gen_ai::REQUEST_MODEL, attempt.model.clone()),
            KeyValue::new(llm2api::UPSTREAM_NAME, attempt.entry.name().to_owned()),
            KeyValue::new(llm2api::CREDENTIAL_ID, attempt.credential.to_string()),
            KeyValue::new(llm2api::ATTEMPT_NUMBER, number),
            KeyValue::new(llm2api::ATTEMPT_OUTCOME, attempt.end.as_str()),
        ];
        attributes.extend(self.asked.attributes());
        attributes.extend(server(&attempt.entry));
        attributes.extend(attempt.answer_attributes());
        let mut add = |name: &'static str, value: Value| {
            attributes.push(KeyValue::new(name, value));
        };
        if let Some(messages) = &self.asked.messages_json {
            add(gen_ai::INPUT_MESSAGES, messages.clone().into());
        }
        if !attempt.waited.is_zero() {
            add(llm2api::ATTEMPT_WAIT, attempt.waited.as_secs_f64().into());
        }
        if !attempt.passed_over.is_empty() {
            add(llm2api::PASSED_OVER, list(&attempt.passed_over));
        }
        let mut status = Status::Unset;
        if let Some(error) = error_type(attempt.end) {
            add(ERROR_TYPE, error.clone().into());
            add(llm2api::ATTEMPT_FAULT, attempt.end.fault().as_str().into());
            status = Status::error(error);
        }
        Span {
            context: TraceContext {
                span_id: attempt.span_id,
                ..self.context.trace
            },
            parent: Some(Parent::here(self.context.trace)),
            name: format!("chat {}", attempt.model).into(),
            kind: match kind {
                UpstreamKind::Local => SpanKind::Internal,
                _ => SpanKind::Client,
            },
            started_at: self.started_at + attempt.began,
            ended_at: self.started_at + ended,
            status,
            attributes,
        }
    }

    /// The span of an attempt's one request, where its upstream is asked by one.
    fn send_span(&self, attempt: &Attempt) -> Option<Span> {
        if attempt.entry.adapter.kind() != UpstreamKind::OpenAi {
            return None;
        }
        let ended = attempt.ended.unwrap_or(self.took);
        let mut attributes = vec![
            KeyValue::new(http::REQUEST_METHOD, "POST"),
            KeyValue::new(http::URL_FULL, shown_chat_url(&attempt.entry.config)),
        ];
        attributes.extend(server(&attempt.entry));
        let http_status = match attempt.end {
            End::Failed(_, http_status) => http_status,
            End::Left | End::Answered => attempt.first_token.map(|_| 200),
        };
        let mut status = Status::Unset;
        if let Some(http_status) = http_status {
            attributes.push(KeyValue::new(
                http::RESPONSE_STATUS_CODE,
                i64::from(http_status),
            ));
        }
        if let Some(error) = error_type(attempt.end) {
            status = Status::error(error.clone());
            attributes.push(KeyValue::new(ERROR_TYPE, error));
        }
        Some(Span {
            context: TraceContext {
                span_id: attempt.send_span_id,
                ..self.context.trace
            },
            parent: Some(Parent::here(TraceContext {
                span_id: attempt.span_id,
                ..self.context.trace
            })),
            name: "POST".into(),
            kind: SpanKind::Client,
            started_at: self.started_at + attempt.began + attempt.searched_for,
            ended_at: self.started_at + ended,
            status,
            attributes,
        })
    }
}

impl super::record::Asked {
    /// What is told of a request with each attempt for it.
    fn attributes(&self) -> impl Iterator<Item = KeyValue> {
        let choices = self.choice_count.filter(|&count| count != 1);
        [
            self.is_streamed
                .then(|| KeyValue::new(gen_ai::REQUEST_STREAM, true)),
            choices.map(|count| KeyValue::new(gen_ai::REQUEST_CHOICE_COUNT, i64::from(count))),
            self.max_tokens
                .map(|tokens| KeyValue::new(gen_ai::REQUEST_MAX_TOKENS, tokens)),
            self.temperature
                .map(|temperature| KeyValue::new(gen_ai::REQUEST_TEMPERATURE, temperature)),
            self.top_p
                .map(|top_p| KeyValue::new(gen_ai::REQUEST_TOP_P, top_p)),
        ]
        .into_iter()
        .flatten()
    }
}

impl Attempt {
    /// What is told of the answer.
    fn answer_attributes(&self) -> Vec<KeyValue> {
        let mut attributes = Vec::new();
        if let Some(first_token) = self.first_token {
            let since_send = first_token.saturating_sub(self.began + self.searched_for);
            attributes.push(KeyValue::new(
                gen_ai::RESPONSE_TIME_TO_FIRST_CHUNK,
                since_send.as_secs_f64(),
            ));
        }
        let Some(answer) = &self.answer else {
            return attributes;
        };
        if !answer.id.is_empty() {
            attributes.push(KeyValue::new(gen_ai::RESPONSE_ID, answer.id.clone()));
        }
        if !answer.model.is_empty() {
            attributes.push(KeyValue::new(gen_ai::RESPONSE_MODEL, answer.model.clone()));
        }
        if !answer.finish_reasons.is_empty() {
            let reasons = answer.finish_reasons.iter();
            let reasons = reasons.map(|&reason| StringValue::from(finish_name(reason)));
            attributes.push(KeyValue::new(
                gen_ai::RESPONSE_FINISH_REASONS,
                Value::Array(Array::String(reasons.collect())),
            ));
        }
        if let Some(text) = &answer.text {
            let reason = answer.finish_reasons.first().copied().map(finish_name);
            let messages = content::of_answer(text, reason.as_deref());
            attributes.push(KeyValue::new(gen_ai::OUTPUT_MESSAGES, messages));
        }
        if let Some(tokens) = answer.tokens {
            let mut add = |name: &'static str, count: u64| {
                attributes.push(KeyValue::new(name, to_value(count)));
            };
            add(gen_ai::USAGE_INPUT_TOKENS, tokens.input);
            add(gen_ai::USAGE_OUTPUT_TOKENS, tokens.output);
            if let Some(cached) = tokens.cached {
                add(gen_ai::USAGE_CACHED_TOKENS, cached);
            }
            if let Some(reasoning) = tokens.reasoning {
                add(gen_ai::USAGE_REASONING_TOKENS, reasoning);
            }
            if tokens.is_estimated {
                attributes.push(KeyValue::new(llm2api::USAGE_ESTIMATED, true));
            }
        }
        attributes
    }
}

/// What kind of failure an end is, of few values. `None`: it is none.
pub(crate) fn error_type(end: End) -> Option<String> {
    let End::Failed(kind, status) = end else {
        return None;
    };
    if let Some(status) = status.filter(|status| *status >= 400) {
        return Some(status.to_string());
    }
    let name = match kind {
        FailureKind::Unavailable => "unavailable",
        FailureKind::Clock(Clock::Connect) => "connect_timeout",
        FailureKind::Clock(Clock::FirstToken) => "first_token_timeout",
        FailureKind::Clock(Clock::Idle) => "idle_timeout",
        FailureKind::RateLimited => "rate_limited",
        FailureKind::QuotaSpent => "quota",
        FailureKind::Unauthorized => "unauthorized",
        FailureKind::Misconfigured => "misconfigured",
        FailureKind::ModelGone => "model_gone",
        FailureKind::Busy => "busy",
        FailureKind::Unusable => "unusable",
        FailureKind::Rejected => "rejected",
    };
    Some(name.to_owned())
}

fn finish_name(reason: FinishReason) -> String {
    let name = reason.as_str_name().trim_start_matches("FINISH_REASON_");
    name.to_ascii_lowercase()
}

/// Where an upstream is. A local one is nowhere.
fn server(entry: &Entry) -> impl Iterator<Item = KeyValue> {
    let url = &entry.config.url;
    let address = url
        .host_str()
        .map(|host| KeyValue::new(names::server::ADDRESS, host.to_owned()));
    let port = url
        .port_or_known_default()
        .map(|port| KeyValue::new(names::server::PORT, i64::from(port)));
    address.into_iter().chain(port)
}

fn to_value(count: u64) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}

fn list<T: std::fmt::Display>(items: &[T]) -> Value {
    let texts = items.iter().map(|item| StringValue::from(item.to_string()));
    Value::Array(Array::String(texts.collect()))
}
