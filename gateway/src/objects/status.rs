//! What is going on, and what went on: figures over several times.

use std::collections::BTreeMap;

use llm2api_proto::v1::{
    AuthorizationState, CookieFigures, Figures, KeyFigures, ModelFigures, Percentiles, SearchState,
    Status, TimelinePoint, Tokens, UpstreamFigures, Windows,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    time::{ahead, fraction, past},
    unless_empty,
};

/// The figures as of now. All fields are always there, null where there is nothing to say.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Status)]
pub struct StatusObject {
    /// Always `status`.
    #[schema(value_type = String)]
    pub object: &'static str,
    /// When the process began that counts, in Unix seconds.
    pub started_at: Option<i64>,
    /// For how long it has run.
    pub uptime_seconds: f64,
    /// The program's version.
    pub version: String,
    /// Whether this instance may run. Null: nothing is known of that.
    pub authorization: Option<AuthorizationObject>,
    /// Chats that are being answered now.
    pub in_flight: i64,
    /// Figures of all chats.
    pub windows: WindowsObject,
    /// Figures by model, as they were asked for.
    pub models: Vec<ModelFiguresObject>,
    /// Figures by upstream, in the operator's order.
    pub upstreams: Vec<UpstreamFiguresObject>,
    /// Figures by credential.
    pub cookies: Vec<CookieFiguresObject>,
    /// Figures by client key.
    pub keys: Vec<KeyFiguresObject>,
    /// Spans and traces that were not kept or exported though they should have been: there was no room.
    pub telemetry_dropped: i64,
    /// The course of the window that was asked for, in order, without gaps.
    pub timeline: Vec<TimelinePointObject>,
    /// How the web is searched.
    pub search: SearchObject,
}

impl From<Status> for StatusObject {
    fn from(status: Status) -> Self {
        Self {
            object: "status",
            started_at: status.started_at.map(past),
            uptime_seconds: status.uptime_seconds,
            version: status.version,
            authorization: status.authorization.map(AuthorizationObject::from),
            in_flight: status.in_flight,
            windows: status.windows.unwrap_or_default().into(),
            models: all(status.models),
            upstreams: all(status.upstreams),
            cookies: all(status.cookies),
            keys: all(status.keys),
            telemetry_dropped: status.telemetry_dropped,
            timeline: all(status.timeline),
            search: status.search.unwrap_or_default().into(),
        }
    }
}

fn all<M, O: From<M>>(messages: Vec<M>) -> Vec<O> {
    messages.into_iter().map(O::from).collect()
}

/// Whether this instance may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuthorizationState)]
pub struct AuthorizationObject {
    /// `valid`, `grace` (the authority is out of reach; its last answer still holds), `invalid` or `unchecked`.
    pub state: String,
    /// Why it is not valid.
    pub reason: Option<String>,
    /// When the code ends, in Unix seconds.
    pub expires_at: Option<i64>,
    /// Whether an authority is set, and not this instance its own.
    pub has_authority: bool,
}

impl From<AuthorizationState> for AuthorizationObject {
    fn from(authorization: AuthorizationState) -> Self {
        Self {
            state: authorization.state,
            reason: unless_empty(authorization.reason),
            expires_at: authorization.expires_at.map(past),
            has_authority: authorization.has_authority,
        }
    }
}

/// How the web is searched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SearchState)]
pub struct SearchObject {
    /// The hosts of the instances; none: it is not searched.
    pub instances: Vec<String>,
    /// Whether these are the built-in ones, which belong to somebody else.
    pub is_default: bool,
}

impl From<SearchState> for SearchObject {
    fn from(search: SearchState) -> Self {
        Self {
            instances: search.instances,
            is_default: search.is_default,
        }
    }
}

/// The same figures over several times, all up to now.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Windows)]
pub struct WindowsObject {
    /// The last minute.
    pub minute: FiguresObject,
    /// The last hour.
    pub hour: FiguresObject,
    /// The last 24 hours.
    pub day: FiguresObject,
    /// The last 30 days.
    pub month: FiguresObject,
    /// Since the first start.
    pub total: FiguresObject,
}

impl From<Windows> for WindowsObject {
    fn from(windows: Windows) -> Self {
        let figures = |window: Option<Figures>| window.unwrap_or_default().into();
        Self {
            minute: figures(windows.minute),
            hour: figures(windows.hour),
            day: figures(windows.day),
            month: figures(windows.month),
            total: figures(windows.total),
        }
    }
}

/// What was counted in a time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Figures)]
pub struct FiguresObject {
    /// Chats that ended, or of a cookie or upstream the attempts.
    pub requests: i64,
    /// Of these, those that failed, but for the client's own mistakes.
    pub errors: i64,
    /// Of these, those whose client left before the end.
    pub cancelled: i64,
    /// Of these, those that were refused for the client's own mistake.
    pub rejected: i64,
    /// From a chat's arrival to its answer's end, of those that were answered.
    pub latency_seconds: Option<PercentilesObject>,
    /// From a chat's arrival to its first token.
    pub first_token_seconds: Option<PercentilesObject>,
    /// What was asked and answered.
    pub tokens: TokensObject,
    /// The errors by their code, such as `upstream_error`.
    pub errors_by_code: BTreeMap<String, i64>,
}

impl From<Figures> for FiguresObject {
    fn from(figures: Figures) -> Self {
        Self {
            requests: figures.requests,
            errors: figures.errors,
            cancelled: figures.cancelled,
            rejected: figures.rejected,
            latency_seconds: figures.latency_seconds.map(PercentilesObject::from),
            first_token_seconds: figures.first_token_seconds.map(PercentilesObject::from),
            tokens: figures.tokens.unwrap_or_default().into(),
            errors_by_code: figures.errors_by_code.into_iter().collect(),
        }
    }
}

/// Times, in seconds: so many hundredths of all were at most as long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = Percentiles)]
pub struct PercentilesObject {
    /// Half of them.
    pub p50: f64,
    /// 95 of a hundred.
    pub p95: f64,
    /// 99 of a hundred.
    pub p99: f64,
}

impl From<Percentiles> for PercentilesObject {
    fn from(percentiles: Percentiles) -> Self {
        let Percentiles { p50, p95, p99 } = percentiles;
        Self { p50, p95, p99 }
    }
}

/// Tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Tokens)]
pub struct TokensObject {
    /// Of prompts.
    pub input: i64,
    /// Of answers.
    pub output: i64,
    /// Of both, those that no upstream reported and we estimated.
    pub estimated: i64,
}

impl From<Tokens> for TokensObject {
    fn from(tokens: Tokens) -> Self {
        Self {
            input: tokens.input,
            output: tokens.output,
            estimated: tokens.estimated,
        }
    }
}

/// The figures of a model.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ModelFigures)]
pub struct ModelFiguresObject {
    /// The model, as it was asked for. `_other`: further names that nobody has.
    pub id: String,
    /// Its figures.
    pub windows: WindowsObject,
}

impl From<ModelFigures> for ModelFiguresObject {
    fn from(model: ModelFigures) -> Self {
        Self {
            id: model.id,
            windows: model.windows.unwrap_or_default().into(),
        }
    }
}

/// The figures of an upstream.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = UpstreamFigures)]
pub struct UpstreamFiguresObject {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// `ok`, `degraded` or `unknown`, as in the list of upstreams.
    pub state: String,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// Attempts that run there now.
    pub in_flight: i64,
    /// Its figures: attempts.
    pub windows: WindowsObject,
}

impl From<UpstreamFigures> for UpstreamFiguresObject {
    fn from(upstream: UpstreamFigures) -> Self {
        Self {
            name: upstream.name,
            kind: upstream.kind,
            state: upstream.state,
            reason: unless_empty(upstream.reason),
            in_flight: upstream.in_flight,
            windows: upstream.windows.unwrap_or_default().into(),
        }
    }
}

/// The figures of a credential.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = CookieFigures)]
pub struct CookieFiguresObject {
    /// Its id, `ck_…`.
    pub id: String,
    /// The name of its upstream.
    pub upstream: String,
    /// What somebody called it.
    pub label: Option<String>,
    /// What may be shown of its value.
    pub preview: Option<String>,
    /// Its state, as `/cookies` has it.
    pub state: String,
    /// Why it is in this state.
    pub reason: Option<String>,
    /// How its last failure was.
    pub last_error: Option<String>,
    /// Until when it is left alone, in Unix seconds.
    pub cooldown_until: Option<i64>,
    /// Attempts that run with it now.
    pub in_flight: i64,
    /// Its figures: attempts. Percentiles are not measured.
    pub windows: WindowsObject,
}

impl From<CookieFigures> for CookieFiguresObject {
    fn from(cookie: CookieFigures) -> Self {
        Self {
            id: cookie.id,
            upstream: cookie.upstream,
            label: unless_empty(cookie.label),
            preview: unless_empty(cookie.preview),
            state: cookie.state,
            reason: unless_empty(cookie.reason),
            last_error: unless_empty(cookie.last_error),
            cooldown_until: cookie.cooldown_until.map(ahead),
            in_flight: cookie.in_flight,
            windows: cookie.windows.unwrap_or_default().into(),
        }
    }
}

/// The figures of a client key.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = KeyFigures)]
pub struct KeyFiguresObject {
    /// Its id: `key_…`, `admin` or `anonymous`.
    pub id: String,
    /// What somebody called it.
    pub label: Option<String>,
    /// Its figures. Percentiles are not measured.
    pub windows: WindowsObject,
}

impl From<KeyFigures> for KeyFiguresObject {
    fn from(key: KeyFigures) -> Self {
        Self {
            id: key.id,
            label: unless_empty(key.label),
            windows: key.windows.unwrap_or_default().into(),
        }
    }
}

/// A part of a window.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = TimelinePoint)]
pub struct TimelinePointObject {
    /// When it begins, in Unix seconds.
    pub begins_at: Option<f64>,
    /// How long it is.
    pub seconds: f64,
    /// What was counted in it.
    pub figures: FiguresObject,
}

impl From<TimelinePoint> for TimelinePointObject {
    fn from(point: TimelinePoint) -> Self {
        Self {
            begins_at: point.begins_at.map(fraction),
            seconds: point.seconds,
            figures: point.figures.unwrap_or_default().into(),
        }
    }
}
