//! A span that has ended, on its way from where it was measured to who keeps or exports it.

use std::{borrow::Cow, time::SystemTime};

use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::TraceContext;

/// Where spans go that have ended.
pub trait SpanSink: Send + Sync {
    /// Takes spans over. Never waits: what there is no room for is dropped, and counted.
    fn take(&self, spans: Vec<SpanData>);
}

/// A span that has ended. Made when it has, from what was noted meanwhile: an open one costs no more than its times.
#[derive(Debug)]
pub struct Span {
    /// Its place.
    pub context: TraceContext,
    /// The span that it is a part of.
    pub parent: Option<Parent>,
    /// Its name, by the conventions for its kind.
    pub name: Cow<'static, str>,
    /// Its kind.
    pub kind: SpanKind,
    /// When it began.
    pub started_at: SystemTime,
    /// When it ended.
    pub ended_at: SystemTime,
    /// Whether it failed, and how.
    pub status: Status,
    /// What is known of it.
    pub attributes: Vec<KeyValue>,
}

/// The span that another is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Its id.
    pub span_id: SpanId,
    /// Whether another process made it.
    pub is_remote: bool,
}

impl Parent {
    /// A span of this process.
    #[must_use]
    pub fn here(context: TraceContext) -> Self {
        Self {
            span_id: context.span_id,
            is_remote: false,
        }
    }

    /// A span of another process.
    #[must_use]
    pub fn elsewhere(context: TraceContext) -> Self {
        Self {
            span_id: context.span_id,
            is_remote: true,
        }
    }
}

impl From<Span> for SpanData {
    fn from(span: Span) -> Self {
        let flags = if span.context.is_sampled {
            TraceFlags::SAMPLED
        } else {
            TraceFlags::NOT_SAMPLED
        };
        let TraceContext {
            trace_id, span_id, ..
        } = span.context;
        Self {
            span_context: SpanContext::new(trace_id, span_id, flags, false, TraceState::NONE),
            parent_span_id: span.parent.map_or(SpanId::INVALID, |parent| parent.span_id),
            parent_span_is_remote: span.parent.is_some_and(|parent| parent.is_remote),
            span_kind: span.kind,
            name: span.name,
            start_time: span.started_at,
            end_time: span.ended_at,
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: span.status,
            instrumentation_scope: InstrumentationScope::builder("llm2api")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        }
    }
}
