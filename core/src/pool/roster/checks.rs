//! Checks: which is due, and what it has shown.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{
        saved::Proof,
        standing::State,
        verdict::{CheckInterval, Verdict},
    },
    DueCheck, Roster,
};

impl Roster {
    /// Has a credential looked at after a time, where those that nobody uses are not to be forgotten.
    pub(super) fn watch_idle(&mut self, at: usize, now: Instant) {
        // Spread, so that a thousand are not checked at once: multiples of the golden ratio leave no gaps.
        let share = 0.5 + 0.5 * (at as f64 * 0.618_034).fract();
        let slot = &mut self.slots[at];
        let idle_for = slot.idle_for(now);
        let look_after =
            |idle_check: Duration| now + idle_check.mul_f64(share).saturating_sub(idle_for);
        slot.idle_check_at = self.rules.idle_check.map(look_after);
    }

    /// The check that is due, or when the next one is.
    pub(in super::super) fn begin_check(
        &mut self,
        now: Instant,
    ) -> Result<DueCheck, Option<Instant>> {
        loop {
            let at = self.checks.due(now).ok_or_else(|| self.checks.first())?;
            let slot = &mut self.slots[at];
            let is_first = self.rules.checks_first
                && slot.first_check_at.take_if(|first| *first <= now).is_some();
            let is_wanted = match self.rules.idle_check {
                Some(idle_check) if !is_first && slot.standing.check_at().is_none() => {
                    let idle_for = slot.idle_for(now);
                    let is_idle = idle_check <= idle_for;
                    let again_after = match is_idle {
                        true => idle_check,
                        false => idle_check - idle_for,
                    };
                    slot.idle_check_at = Some(now + again_after);
                    is_idle
                }
                Some(_) | None => true,
            };
            slot.standing.begin_check();
            let epoch = slot.standing.epoch();
            self.settle(at, now);
            if is_wanted {
                return Ok(DueCheck { slot: at, epoch });
            }
        }
    }

    /// A check of this credential, whether or not one is due.
    pub(in super::super) fn check_of(&mut self, at: usize, now: Instant) -> DueCheck {
        let slot = &mut self.slots[at];
        slot.standing.begin_check();
        let epoch = slot.standing.epoch();
        self.settle(at, now);
        DueCheck { slot: at, epoch }
    }

    /// Takes note of what a check has shown.
    pub(in super::super) fn checked(
        &mut self,
        check: &DueCheck,
        verdict: Verdict,
        interval: CheckInterval,
        now: Instant,
    ) {
        let slot = &mut self.slots[check.slot];
        slot.standing.checked(check.epoch, verdict, interval, now);
        let is_unknown = matches!(
            slot.standing.state(),
            State::Usable {
                proof: Proof::Nothing,
                ..
            }
        );
        if is_unknown && verdict == Verdict::OutOfReach {
            slot.first_check_at = Some(interval.retry_after(now));
        }
        self.settle(check.slot, now);
    }
}
