//! Which instances are asked, and in which order: one that refused is left alone for a while, one that failed comes last for a while.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::instance::Instance;

/// For how long an instance that refused is left alone, and one that failed comes last. SearXNG's limiter tells no time.
const REST: Duration = Duration::from_secs(60);

/// How an instance has done of late.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<Option<Mark>>);

/// What it did last, while that counts.
#[derive(Debug, Clone)]
struct Mark {
    until: Instant,
    fault: Fault,
}

/// What an instance did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Was out of reach, too slow, or broken: may be well the next moment.
    Failed,
    /// Doesn't want us, for this reason; asking again would not change it.
    Refused(String),
}

impl Standing {
    /// Takes note of a fault.
    pub(super) fn note(&self, fault: Fault, now: Instant) {
        let until = now + REST;
        *self.lock() = Some(Mark { until, fault });
    }

    /// Takes note of an answer.
    pub(super) fn clear(&self) {
        *self.lock() = None;
    }

    /// The fault that still counts.
    fn fault(&self, now: Instant) -> Option<Fault> {
        self.lock()
            .as_ref()
            .filter(|mark| now < mark.until)
            .map(|mark| mark.fault.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Mark>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The instances to ask, in order; and why each of the others is left alone.
pub(super) fn order(instances: &[Instance], now: Instant) -> (Vec<&Instance>, Vec<String>) {
    let (mut first, mut last, mut resting) = (Vec::new(), Vec::new(), Vec::new());
    for instance in instances {
        match instance.standing().fault(now) {
            None => first.push(instance),
            Some(Fault::Failed) => last.push(instance),
            Some(Fault::Refused(why)) => resting.push(format!("{why} (left alone for a minute)")),
        }
    }
    first.append(&mut last);
    (first, resting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_counts_for_a_minute_or_until_an_answer() {
        let (standing, now) = (Standing::default(), Instant::now());
        assert_eq!(standing.fault(now), None);
        standing.note(Fault::Refused("403".to_owned()), now);
        let just_before = now + REST - Duration::from_millis(1);
        let refused = Some(Fault::Refused("403".to_owned()));
        assert_eq!(standing.fault(just_before), refused);
        assert_eq!(standing.fault(now + REST), None);
        standing.note(Fault::Failed, now);
        assert_eq!(standing.fault(now), Some(Fault::Failed));
        standing.clear();
        assert_eq!(standing.fault(now), None);
    }
}
