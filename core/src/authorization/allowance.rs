//! What the code allows by which this instance runs, and what of that is used.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwapOption;

use super::{Claims, code::CodeLimits};
use crate::limits::{Gauge, Grant, Holder, HolderKind, Limits, Moment, SavedMeter};

/// What a meter's name begins with that counts for a code.
const METER_PREFIX: &str = "code:";

/// What a code allows.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// By what it is counted: one name for each code.
    name: String,
    /// What has limits.
    pub(crate) holder: Holder,
}

/// What the codes allow by which this instance runs, one after another.
#[derive(Debug)]
pub(super) struct Allowances {
    /// `None`: anything.
    current: ArcSwapOption<Allowance>,
    /// What was counted for codes that it has run by.
    counted: Mutex<HashMap<String, SavedMeter>>,
}

impl Allowances {
    /// Takes what was counted for codes from all that was.
    pub(super) fn new(meters: &mut HashMap<String, SavedMeter>) -> Self {
        let of_codes = meters.extract_if(|name, _| name.starts_with(METER_PREFIX));
        Self {
            counted: Mutex::new(of_codes.collect()),
            current: ArcSwapOption::empty(),
        }
    }

    /// What is allowed now. `None`: anything.
    pub(super) fn current(&self) -> Option<Arc<Allowance>> {
        self.current.load_full()
    }

    /// Goes over to what this code allows, and goes on counting where it was counted before.
    pub(super) fn follow(&self, claims: Option<&Claims>) {
        let before = self.current.load_full();
        let limited = claims.filter(|claims| claims.llm2api_limits != CodeLimits::default());
        let Some(claims) = limited else {
            self.replace(before.as_deref(), None);
            return;
        };
        let name = meter_name(claims);
        let grant = grant(&claims.llm2api_limits);
        let same = before.as_ref().filter(|before| before.name == name);
        if same.is_some_and(|same| same.holder.grant == grant) {
            return;
        }
        let gauge = match same {
            Some(same) => Arc::clone(&same.holder.gauge),
            None => {
                let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
                let counted = counted.get(&name).cloned().unwrap_or_default();
                Arc::new(Gauge::restored(&counted, Moment::now()))
            }
        };
        let holder = Holder {
            kind: HolderKind::Instance,
            grant,
            gauge,
        };
        self.replace(before.as_deref(), Some(Allowance { name, holder }));
    }

    fn replace(&self, before: Option<&Allowance>, allowance: Option<Allowance>) {
        if let Some(before) = before {
            let (counted, _) = before.holder.gauge.read(Moment::now());
            let mut all = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(before.name.clone(), counted);
        }
        self.current.store(allowance.map(Arc::new));
    }

    /// What is to be kept of what was counted, where that is anything new.
    pub(super) fn take_changes(&self) -> Option<(String, SavedMeter)> {
        let current = self.current.load_full()?;
        let meter = current.holder.gauge.take_changes(Moment::now())?;
        Some((current.name.clone(), meter))
    }

    /// Takes note that it could not be kept.
    pub(super) fn put_back(&self) {
        if let Some(current) = self.current.load_full() {
            current.holder.gauge.put_back();
        }
    }
}

/// A code by its id and its issuer; one of an authority that gives it none is one with all others of that kind.
fn meter_name(claims: &Claims) -> String {
    format!("{METER_PREFIX}{} {}", claims.jti, claims.iss)
}

fn grant(limits: &CodeLimits) -> Grant {
    Grant {
        limits: Limits {
            requests_per_minute: limits.requests_per_minute.map(u64::from),
            tokens_per_day: limits.tokens_per_day,
            tokens_total: None,
        },
        models: limits.models.clone(),
        web_search: limits.web_search.unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Cost, admit};

    fn claims(jti: &str, requests_per_minute: u32) -> Claims {
        Claims {
            jti: jti.to_owned(),
            llm2api_limits: CodeLimits {
                requests_per_minute: Some(requests_per_minute),
                ..CodeLimits::default()
            },
            ..Claims::default()
        }
    }

    fn is_let_in(allowances: &Allowances) -> bool {
        let allowance = allowances.current().unwrap();
        admit(&[&allowance.holder], Cost::UNKNOWN, Moment::now()).is_ok()
    }

    #[test]
    fn a_code_without_limits_has_nothing_counted() {
        let allowances = Allowances::new(&mut HashMap::new());
        allowances.follow(None);
        assert!(allowances.current().is_none());
        allowances.follow(Some(&Claims::default()));
        assert!(allowances.current().is_none());
    }

    #[test]
    fn each_code_counts_for_itself_and_on_where_it_was() {
        let allowances = Allowances::new(&mut HashMap::new());
        allowances.follow(Some(&claims("one", 1)));
        assert!(is_let_in(&allowances));
        assert!(!is_let_in(&allowances));
        allowances.follow(Some(&claims("two", 1)));
        assert!(is_let_in(&allowances));
        // Another limit of the same code: what was counted stays counted.
        allowances.follow(Some(&claims("two", 2)));
        assert!(is_let_in(&allowances));
        assert!(!is_let_in(&allowances));
        allowances.follow(Some(&claims("one", 1)));
        assert!(!is_let_in(&allowances));
    }

    #[test]
    fn what_was_counted_goes_on_in_another_process() {
        let allowances = Allowances::new(&mut HashMap::new());
        allowances.follow(Some(&claims("one", 1)));
        assert!(is_let_in(&allowances));
        let (name, meter) = allowances.take_changes().unwrap();
        assert!(allowances.take_changes().is_none());

        let mut kept = HashMap::from([(name, meter), ("key_1".to_owned(), SavedMeter::default())]);
        let again = Allowances::new(&mut kept);
        assert_eq!(kept.len(), 1);
        again.follow(Some(&claims("one", 1)));
        assert!(!is_let_in(&again));
    }
}
