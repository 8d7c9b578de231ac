//! The counts of all chats, and the same by model, upstream, credential and client key.

use std::{
    borrow::Borrow,
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
    /// Where each has its series.
    places: HashMap<K, usize>,
    series: Vec<Windows>,
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

    /// Adds what was counted last to all windows; to be done before they are read.
    pub(crate) fn settle(&mut self) {
        self.all.settle();
        self.models.settle();
        self.upstreams.settle();
        self.cookies.settle();
        self.keys.settle();
    }

    /// How many slots there are in all.
    #[cfg(test)]
    pub(crate) fn slot_count(&self) -> usize {
        let names = [&self.models, &self.upstreams, &self.keys];
        let named = names.into_iter().flat_map(|table| &table.series);
        let all = std::iter::once(&self.all)
            .chain(named)
            .chain(&self.cookies.series);
        all.map(Windows::slot_count).sum()
    }

    /// What is to be kept since this was last asked.
    pub(crate) fn take_changed(&mut self, now: u64) -> Vec<KeptCounts> {
        let mut changed = of_series("all", self.all.take_changed(now));
        for (kind, table) in [
            ("model", &mut self.models),
            ("upstream", &mut self.upstreams),
            ("key", &mut self.keys),
        ] {
            for (name, &place) in &table.places {
                let name = format!("{kind}:{name}");
                changed.extend(of_series(&name, table.series[place].take_changed(now)));
            }
        }
        for (id, &place) in &self.cookies.places {
            let name = format!("cookie:{}", id.to_bits());
            let kept = self.cookies.series[place].take_changed(now);
            changed.extend(of_series(&name, kept));
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
            places: HashMap::new(),
            series: Vec::new(),
            max,
        }
    }

    /// The counts of one. `None`: there were none yet.
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&Windows>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.places.get(key).map(|&place| &self.series[place])
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &Windows)> {
        let places = self.places.iter();
        places.map(|(key, &place)| (key, &self.series[place]))
    }

    /// The counts of one; made where there are none yet and there is room.
    fn of<Q>(&mut self, key: &Q, now: u64) -> Option<&mut Windows>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let place = match self.places.get(key) {
            Some(&place) => place,
            None => self.make(key.to_owned(), now)?,
        };
        self.series.get_mut(place)
    }

    /// Makes room for another. Where: `None`, there is none.
    fn make(&mut self, key: K, now: u64) -> Option<usize> {
        if self.series.len() < self.max {
            self.series.push(Windows::new(COARSE));
            self.places.insert(key, self.series.len() - 1);
            return Some(self.series.len() - 1);
        }
        let forgotten = |place: &usize| self.series[*place].is_forgotten(now);
        let old = self.places.iter().find(|(_, place)| forgotten(place));
        let (old, place) = old.map(|(old, &place)| (old.clone(), place))?;
        self.places.remove(&old);
        self.series[place] = Windows::new(COARSE);
        self.places.insert(key, place);
        Some(place)
    }

    fn settle(&mut self) {
        for windows in &mut self.series {
            windows.settle();
        }
    }
}

impl Table<String> {
    /// The counts of this name, or, where there are too many names, those of all others.
    fn of_name(&mut self, name: &str, now: u64) -> Option<&mut Windows> {
        let is_other = !self.places.contains_key(name)
            && self.series.len() + 1 >= self.max
            && !self.series.iter().any(|windows| windows.is_forgotten(now));
        self.of(if is_other { OTHER } else { name }, now)
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
