//! The counts of all chats, and the same by model, upstream, credential and client key.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{SystemTime, UNIX_EPOCH},
};

use llm2api_proto::v1::ErrorReason;

use super::{
    attempt::{Attempt, End, Fault},
    counts::{Ending, Event},
    record::{ChatRecord, Outcome},
    windows::{COARSE, FINE, Kept, Windows},
};
use crate::pool::CredentialId;

/// Models that are told apart: a client may ask for any name.
const MAX_MODELS: usize = 200;
/// Upstreams that are.
const MAX_UPSTREAMS: usize = 1000;
/// Credentials that are.
const MAX_COOKIES: usize = 20_000;
/// Client keys that are.
const MAX_KEYS: usize = 10_000;
/// What stands for those that are not.
const OTHER: &str = "_other";

/// The counts.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) all: Windows,
    pub(crate) models: Table<String>,
    pub(crate) upstreams: Table<String>,
    pub(crate) cookies: Table<CredentialId>,
    pub(crate) keys: Table<String>,
}

/// Counts by something.
#[derive(Debug)]
pub(crate) struct Table<K> {
    series: HashMap<K, Windows>,
    max: usize,
}

/// Counts to be kept, or that were, and whose they are.
#[derive(Debug, Clone)]
pub(crate) struct KeptCounts {
    /// `all`, or `model:`, `upstream:`, `cookie:` or `key:` and a name.
    pub(crate) series: String,
    /// The counts.
    pub(crate) kept: Kept,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            all: Windows::new(FINE),
            models: Table::new(MAX_MODELS),
            upstreams: Table::new(MAX_UPSTREAMS),
            cookies: Table::new(MAX_COOKIES),
            keys: Table::new(MAX_KEYS),
        }
    }
}

impl Tables {
    /// Counts a chat and its attempts.
    pub(crate) fn count(&mut self, record: &ChatRecord) {
        let ended_at = seconds(record.started_at + record.took);
        if !record.is_part {
            let event = of_chat(record);
            self.all.add(ended_at, &event);
            let is_nobodys = record.outcome == Outcome::Rejected(ErrorReason::ModelNotFound);
            let model = match is_nobodys {
                true => OTHER,
                false => record.asked.model.as_str(),
            };
            if let Some(windows) = self.models.of_name(model, ended_at) {
                windows.add(ended_at, &event);
            }
            if let Some(windows) = self.keys.of_name(&record.context.client_id, ended_at) {
                windows.add(ended_at, &without_times(&event));
            }
        }
        for attempt in &record.attempts {
            let event = of_attempt(attempt, record);
            if let Some(windows) = self.upstreams.of_name(attempt.entry.name(), ended_at) {
                windows.add(ended_at, &event);
            }
            if let Some(windows) = self.cookies.of(&attempt.credential, ended_at) {
                windows.add(ended_at, &without_times(&event));
            }
        }
    }

    /// What is to be kept since this was last asked.
    pub(crate) fn take_changed(&mut self, now: u64) -> Vec<KeptCounts> {
        let mut changed = of_series("all", self.all.take_changed(now));
        for (kind, table) in [
            ("model", &mut self.models),
            ("upstream", &mut self.upstreams),
            ("key", &mut self.keys),
        ] {
            for (name, windows) in &mut table.series {
                let name = format!("{kind}:{name}");
                changed.extend(of_series(&name, windows.take_changed(now)));
            }
        }
        for (id, windows) in &mut self.cookies.series {
            let name = format!("cookie:{}", id.to_bits());
            changed.extend(of_series(&name, windows.take_changed(now)));
        }
        changed
    }

    /// Takes in what was kept; what isn't known is passed over.
    pub(crate) fn restore(&mut self, KeptCounts { series, kept }: KeptCounts) {
        if series == "all" {
            return self.all.restore(kept);
        }
        let Some((kind, name)) = series.split_once(':') else {
            return;
        };
        let now = kept.begins_at;
        let windows = match kind {
            "model" => self.models.of_name(name, now),
            "upstream" => self.upstreams.of_name(name, now),
            "key" => self.keys.of_name(name, now),
            "cookie" => {
                let id = name.parse().ok().map(CredentialId::from_bits);
                id.and_then(|id| self.cookies.of(&id, now))
            }
            _ => None,
        };
        if let Some(windows) = windows {
            windows.restore(kept);
        }
    }
}

impl<K: Hash + Eq + Clone> Table<K> {
    fn new(max: usize) -> Self {
        Self {
            series: HashMap::new(),
            max,
        }
    }

    /// The counts of one. `None`: there were none yet.
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&Windows>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.series.get(key)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &Windows)> {
        self.series.iter()
    }

    /// The counts of one; made where there are none yet and there is room.
    fn of(&mut self, key: &K, now: u64) -> Option<&mut Windows> {
        if !self.series.contains_key(key) {
            if self.series.len() >= self.max {
                self.series.retain(|_, windows| !windows.is_forgotten(now));
            }
            if self.series.len() >= self.max {
                return None;
            }
            self.series.insert(key.clone(), Windows::new(COARSE));
        }
        self.series.get_mut(key)
    }
}

impl Table<String> {
    /// The counts of this name, or, where there are too many names, those of all others.
    fn of_name(&mut self, name: &str, now: u64) -> Option<&mut Windows> {
        if !self.series.contains_key(name) && self.of(&name.to_owned(), now).is_none() {
            // One more than there may be.
            let others = self.series.entry(OTHER.to_owned());
            return Some(others.or_insert_with(|| Windows::new(COARSE)));
        }
        self.series.get_mut(name)
    }
}

fn of_series(series: &str, kept: Vec<Kept>) -> Vec<KeptCounts> {
    kept.into_iter()
        .map(|kept| KeptCounts {
            series: series.to_owned(),
            kept,
        })
        .collect()
}

/// A chat as it is counted.
fn of_chat(record: &ChatRecord) -> Event {
    let ending = match record.outcome {
        Outcome::Answered => Ending::Answered,
        Outcome::Failed(reason) => Ending::Failed(Some(reason)),
        Outcome::Rejected(_) => Ending::Rejected,
        Outcome::Cancelled => Ending::Cancelled,
    };
    Event {
        ending,
        tokens: record.tokens(),
        latency: (ending == Ending::Answered).then_some(record.took),
        first_token: record.first_token,
    }
}

/// An attempt as it is counted.
fn of_attempt(attempt: &Attempt, record: &ChatRecord) -> Event {
    let ended = attempt.ended.unwrap_or(record.took);
    let ending = match attempt.end {
        End::Answered => Ending::Answered,
        End::Left => Ending::Cancelled,
        End::Failed(..) if attempt.end.fault() == Fault::Client => Ending::Rejected,
        End::Failed(..) => Ending::Failed(None),
    };
    Event {
        ending,
        tokens: attempt.answer.as_ref().and_then(|answer| answer.tokens),
        latency: (ending == Ending::Answered).then(|| ended.saturating_sub(attempt.began)),
        first_token: attempt
            .first_token
            .map(|first_token| first_token.saturating_sub(attempt.began)),
    }
}

fn without_times(event: &Event) -> Event {
    Event {
        latency: None,
        first_token: None,
        ..*event
    }
}

/// An instant in seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    let since_1970 = time.duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |since_1970| since_1970.as_secs())
}
