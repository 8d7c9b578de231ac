//! The figures as of now.

use std::{cmp::Reverse, sync::Arc, time::SystemTime};

use llm2api_proto::{
    ContractError,
    v1::{
        AuthorizationState, CookieFigures, Figures, KeyFigures, ModelFigures, Percentiles,
        SearchState, Status, StatusView, TimelinePoint, Tokens, UpstreamFigures,
        Windows as WindowFigures,
    },
};

use prost_types::Timestamp;

use super::{MonitorRpc, invalid};
use crate::{
    administration::{CookieFilter, OfUpstream},
    keys::KeyRing,
    monitor::{Counts, Tables, Window, Windows, seconds},
    pool::ShownState,
    registry::Entry,
    service::upstream::{condition, in_flight},
    upstream::preview,
};

/// What is wanted of the figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    /// The most that are listed of each kind.
    limit: usize,
    timeline: Option<Window>,
}

impl View {
    pub(super) fn new(view: StatusView) -> Result<Self, ContractError> {
        let takes = "`list_limit` takes a whole number, 0 or more.";
        let limit = usize::try_from(view.list_limit).map_err(|_| invalid("list_limit", takes))?;
        let takes = "`timeline` takes minute, hour, day or month.";
        let timeline = match view.timeline.as_str() {
            "" => None,
            name => Some(Window::named(name).ok_or_else(|| invalid("timeline", takes))?),
        };
        Ok(Self {
            limit: if limit == 0 { usize::MAX } else { limit },
            timeline,
        })
    }
}

impl MonitorRpc {
    /// The figures as of now.
    pub(super) fn status(&self, view: &View) -> Status {
        // What takes other locks is asked first.
        let cookies = self.cookies();
        let entries = self.administration.list_upstreams();
        let time = SystemTime::now();
        let now = seconds(time);
        let mut counted = self.monitor.collected();
        counted.tables.settle();
        let tables = &counted.tables;
        let started_at = self.monitor.started_at();
        Status {
            started_at: Some(started_at.into()),
            uptime_seconds: time
                .duration_since(started_at)
                .unwrap_or_default()
                .as_secs_f64(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            authorization: Some(self.authorization_state()),
            in_flight: i64::try_from(self.running.len()).unwrap_or(i64::MAX),
            windows: Some(windows(&tables.all, now)),
            models: models(tables, view, now),
            upstreams: entries
                .iter()
                .map(|entry| upstream(entry, tables, now))
                .collect(),
            cookies: cookie_figures(cookies, tables, view, now),
            keys: keys(tables, self.keys.ring(), view, now),
            telemetry_dropped: i64::try_from(self.monitor.dropped()).unwrap_or(i64::MAX),
            timeline: view
                .timeline
                .map(|window| timeline(&tables.all, window, now))
                .unwrap_or_default(),
            search: Some(SearchState {
                instances: self.search.hosts.clone(),
                is_default: self.search.is_default,
            }),
        }
    }

    fn authorization_state(&self) -> AuthorizationState {
        let view = self.authorization.view();
        let expires_at = view.claims.as_ref().and_then(|claims| claims.exp);
        AuthorizationState {
            state: view.state.as_str().to_owned(),
            reason: view.reason.to_owned(),
            expires_at: expires_at.map(|seconds| Timestamp { seconds, nanos: 0 }),
            has_authority: self.authorization.has_authority(),
        }
    }

    /// All credentials.
    pub(super) fn cookies(&self) -> Vec<OfUpstream> {
        let all = CookieFilter {
            limit: usize::MAX,
            ..CookieFilter::default()
        };
        // Only a filter that names an upstream can fail.
        self.administration.list_cookies(&all).unwrap_or_default()
    }
}

/// Those with the most requests of late, at most so many.
fn busiest<'a, K: Ord>(
    all: impl Iterator<Item = (&'a K, &'a Windows)>,
    view: &View,
    now: u64,
) -> Vec<(&'a K, &'a Windows)> {
    let mut all: Vec<_> = all.collect();
    all.sort_by_cached_key(|(name, windows)| {
        (
            Reverse(windows.requests(Window::Hour, now)),
            Reverse(windows.total().requests),
            *name,
        )
    });
    all.truncate(view.limit);
    all
}

fn models(tables: &Tables, view: &View, now: u64) -> Vec<ModelFigures> {
    let models = busiest(tables.models.iter(), view, now).into_iter();
    models
        .map(|(id, counted)| ModelFigures {
            id: id.clone(),
            windows: Some(windows(counted, now)),
        })
        .collect()
}

fn keys(tables: &Tables, ring: &KeyRing, view: &View, now: u64) -> Vec<KeyFigures> {
    let keys = busiest(tables.keys.iter(), view, now).into_iter();
    keys.map(|(id, counted)| KeyFigures {
        id: id.clone(),
        label: ring
            .of_client(id)
            .map(|key| key.settings.label.clone())
            .unwrap_or_default(),
        windows: Some(windows(counted, now)),
    })
    .collect()
}

fn upstream(entry: &Arc<Entry>, tables: &Tables, now: u64) -> UpstreamFigures {
    let (state, reason) = condition(entry);
    let counted = tables.upstreams.get(entry.name());
    UpstreamFigures {
        name: entry.name().to_owned(),
        kind: entry.adapter.kind().as_str().to_owned(),
        state: state.to_owned(),
        reason: reason.unwrap_or_default(),
        in_flight: in_flight(entry),
        windows: Some(counted.map_or_else(no_windows, |counted| windows(counted, now))),
    }
}

fn cookie_figures(
    mut cookies: Vec<OfUpstream>,
    tables: &Tables,
    view: &View,
    now: u64,
) -> Vec<CookieFigures> {
    if cookies.len() > view.limit {
        cookies.sort_by_cached_key(|(_, shown)| {
            let counted = tables.cookies.get(&shown.member.id);
            let requests = counted.map_or(0, |counted| counted.requests(Window::Hour, now));
            (is_usable(shown.state), Reverse(requests), shown.member.id)
        });
        cookies.truncate(view.limit);
    }
    cookies
        .iter()
        .map(|(entry, shown)| {
            let counted = tables.cookies.get(&shown.member.id);
            CookieFigures {
                id: shown.member.id.to_string(),
                upstream: entry.name().to_owned(),
                label: shown.label.clone(),
                preview: preview(&shown.member.credential, entry.session_cookie()),
                state: shown.state.as_str().to_owned(),
                reason: shown.reason.unwrap_or_default().to_owned(),
                last_error: shown.usage.last_error.clone(),
                cooldown_until: shown.cooldown_until.map(Into::into),
                in_flight: shown.in_flight.into(),
                windows: Some(counted.map_or_else(no_windows, |counted| windows(counted, now))),
            }
        })
        .collect()
}

fn is_usable(state: ShownState) -> bool {
    matches!(state, ShownState::Valid | ShownState::Unchecked)
}

fn timeline(all: &Windows, window: Window, now: u64) -> Vec<TimelinePoint> {
    let course = all.course(window, now).into_iter();
    #[expect(clippy::cast_precision_loss, reason = "a month at most")]
    let seconds = all.slot_seconds(window) as f64;
    course
        .map(|(begins_at, counts)| TimelinePoint {
            begins_at: Some(Timestamp {
                seconds: i64::try_from(begins_at).unwrap_or(i64::MAX),
                nanos: 0,
            }),
            seconds,
            figures: Some(figures(&counts)),
        })
        .collect()
}

fn windows(counted: &Windows, now: u64) -> WindowFigures {
    let of = |window| Some(figures(&counted.counts(window, now)));
    WindowFigures {
        minute: of(Window::Minute),
        hour: of(Window::Hour),
        day: of(Window::Day),
        month: of(Window::Month),
        total: Some(figures(counted.total())),
    }
}

/// The figures of what was never used.
fn no_windows() -> WindowFigures {
    let nothing = || Some(figures(&Counts::default()));
    WindowFigures {
        minute: nothing(),
        hour: nothing(),
        day: nothing(),
        month: nothing(),
        total: nothing(),
    }
}

fn figures(counts: &Counts) -> Figures {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let percentiles = |durations: &crate::monitor::Durations| {
        Some(Percentiles {
            p50: durations.percentile(50.0)?,
            p95: durations.percentile(95.0)?,
            p99: durations.percentile(99.0)?,
        })
    };
    Figures {
        requests: count(counts.requests),
        errors: count(counts.errors),
        cancelled: count(counts.cancelled),
        rejected: count(counts.rejected),
        latency_seconds: percentiles(&counts.latency),
        first_token_seconds: percentiles(&counts.first_token),
        tokens: Some(Tokens {
            input: count(counts.input_tokens),
            output: count(counts.output_tokens),
            estimated: count(counts.estimated_tokens),
        }),
        errors_by_code: counts
            .by_reason
            .iter()
            .map(|&(reason, number)| (reason.as_info_reason().to_ascii_lowercase(), count(number)))
            .collect(),
    }
}
