//! What counts, without a clock.

use llm2api_proto::{RateLimit, RateLimits};

use super::{Cost, Limits, Moment, Tokens, budget::Budget, recent::Recent, refusal::Refusal};

/// What was asked, and what that has cost. Its limits come from outside, as they may change while it counts on.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Requests that were let in.
    requests: u64,
    /// Tokens that were used.
    tokens: Tokens,
    /// The day of which the next are.
    day: i64,
    tokens_of_day: u64,
    /// Tokens that running answers may still use.
    reserved: u64,
    /// Requests of the last minute; counted only where there is a limit for them.
    recent: Recent,
    /// When the last request was let in, in milliseconds since 1970.
    last_used_ms: Option<i64>,
    /// Whether it counted anything since it was last saved.
    is_changed: bool,
}

/// What is kept of a meter while the process is away. Nothing runs then, so nothing is reserved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SavedMeter {
    /// Requests that were let in.
    pub(crate) requests: u64,
    /// Tokens that were used.
    pub(crate) tokens: Tokens,
    /// The day of which the next are, since 1970.
    pub(crate) day: i64,
    /// Tokens that were used on it.
    pub(crate) tokens_of_day: u64,
    /// Requests of the last minute, by the second since 1970.
    pub(crate) recent: Vec<(i64, u64)>,
    /// When the last request was let in, in milliseconds since 1970.
    pub(crate) last_used_ms: Option<i64>,
}

impl Meter {
    /// One that goes on where another ended.
    pub(crate) fn restored(saved: &SavedMeter, now: Moment) -> Self {
        Self {
            requests: saved.requests,
            tokens: saved.tokens,
            day: saved.day,
            tokens_of_day: saved.tokens_of_day,
            reserved: 0,
            recent: Recent::restored(&saved.recent, now),
            last_used_ms: saved.last_used_ms,
            is_changed: false,
        }
    }

    /// What is to be kept of it.
    pub(crate) fn saved(&mut self, now: Moment) -> SavedMeter {
        self.recent.count(now);
        SavedMeter {
            requests: self.requests,
            tokens: self.tokens,
            day: self.day,
            tokens_of_day: self.tokens_of_day,
            recent: self.recent.saved(now),
            last_used_ms: self.last_used_ms,
        }
    }

    /// Whether it counted anything since this was last asked.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Takes note that what it counted could not be kept.
    pub(super) fn put_changed(&mut self) {
        self.is_changed = true;
    }

    /// Whether a request may be let in. Nothing is counted yet.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(super) fn check(&mut self, limits: Limits, cost: Cost, now: Moment) -> Result<(), Refusal> {
        self.begin_day(now);
        if let Some(limit) = limits.requests_per_minute
            && self.recent.count(now) >= limit
        {
            let room_in = self.recent.room_in(limit, now);
            return Err(Refusal::Requests { limit, room_in });
        }
        if let Some(total) = self.total(limits) {
            total.check(cost).map_err(|obstacle| Refusal::Total {
                limit: total.limit,
                obstacle,
            })?;
        }
        if let Some(today) = self.today(limits) {
            today.check(cost).map_err(|obstacle| Refusal::Day {
                limit: today.limit,
                obstacle,
                over_in: now.rest_of_day(),
            })?;
        }
        Ok(())
    }

    /// Lets a request in that was [checked](Self::check), and reserves tokens for it: so many.
    pub(super) fn enter(&mut self, limits: Limits, cost: Cost, now: Moment) -> u64 {
        self.is_changed = true;
        self.requests += 1;
        self.last_used_ms = Some(now.wall_ms);
        if limits.requests_per_minute.is_some() {
            self.recent.add(now);
        }
        let budgets = [self.today(limits), self.total(limits)];
        let left = budgets.into_iter().flatten().map(Budget::left).min();
        let reserved = left.map_or(0, |left| cost.reserved(left));
        self.reserved += reserved;
        reserved
    }

    /// Ends a request: what was reserved for it is free, and what it used is used.
    pub(super) fn settle(&mut self, reserved: u64, used: Tokens, now: Moment) {
        debug_assert!(reserved <= self.reserved);
        self.is_changed = true;
        self.begin_day(now);
        self.reserved = self.reserved.saturating_sub(reserved);
        self.tokens = self.tokens.plus(used);
        self.tokens_of_day = self.tokens_of_day.saturating_add(used.total());
    }

    /// What the limits leave; of two bounds of tokens, that which leaves less.
    pub(super) fn left(&mut self, limits: Limits, now: Moment) -> RateLimits {
        self.begin_day(now);
        let requests = limits.requests_per_minute.map(|limit| RateLimit {
            limit,
            remaining: limit.saturating_sub(self.recent.count(now)),
            reset: Some(self.recent.empty_in(now)),
        });
        let rate = |budget: Budget, reset| RateLimit {
            limit: budget.limit,
            remaining: budget.left(),
            reset,
        };
        let today = self.today(limits);
        let bounds = [
            today.map(|today| rate(today, Some(now.rest_of_day()))),
            self.total(limits).map(|total| rate(total, None)),
        ];
        let tokens = bounds
            .into_iter()
            .flatten()
            .min_by_key(|bound| bound.remaining);
        RateLimits::new(requests, tokens)
    }

    /// Requests of the last minute.
    pub(super) fn requests_of_minute(&mut self, now: Moment) -> u64 {
        self.recent.count(now)
    }

    fn today(&self, limits: Limits) -> Option<Budget> {
        limits.tokens_per_day.map(|limit| Budget {
            limit,
            used: self.tokens_of_day,
            reserved: self.reserved,
        })
    }

    fn total(&self, limits: Limits) -> Option<Budget> {
        limits.tokens_total.map(|limit| Budget {
            limit,
            used: self.tokens.total(),
            reserved: self.reserved,
        })
    }

    /// Begins another day where it has come. A clock that is set back a little must not begin one twice.
    fn begin_day(&mut self, now: Moment) {
        let today = now.day();
        if today > self.day || today < self.day - 1 {
            self.day = today;
            self.tokens_of_day = 0;
        }
    }
}
