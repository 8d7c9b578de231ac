//! What one request has to pay for, from when it is let in until it ends.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use llm2api_proto::{ContractError, RateLimits};

use super::{Cost, Gauge, Holder, Moment, Tokens};

/// A request that was let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// What settles it when it ends.
    pub(crate) account: Arc<Account>,
    /// What the limits leave after it.
    pub(crate) rate_limits: RateLimits,
}

/// What one request has to pay for. Dropped, it is settled: what was reserved is free again, and what was used is used.
#[derive(Debug)]
pub(crate) struct Account {
    reservations: Vec<Reservation>,
    input: AtomicU64,
    output: AtomicU64,
}

#[derive(Debug)]
struct Reservation {
    gauge: Arc<Gauge>,
    tokens: u64,
}

/// Lets a request in at all these holders, or at none. There must be one; they come in the same order each time, as all are locked
/// together.
///
/// # Errors
///
/// What the first says that doesn't let it in.
pub(crate) fn admit(
    holders: &[&Holder],
    cost: Cost,
    now: Moment,
) -> Result<Admitted, ContractError> {
    let mut meters: Vec<_> = holders.iter().map(|holder| holder.gauge.meter()).collect();
    for (holder, meter) in holders.iter().zip(&mut meters) {
        let limits = holder.grant.limits;
        if let Err(refusal) = meter.check(limits, cost, now) {
            return Err(refusal.tell(holder.kind, meter.left(limits, now)));
        }
    }
    let mut rate_limits = RateLimits::default();
    let mut reservations = Vec::with_capacity(holders.len());
    for (holder, meter) in holders.iter().zip(&mut meters) {
        let limits = holder.grant.limits;
        reservations.push(Reservation {
            gauge: Arc::clone(&holder.gauge),
            tokens: meter.enter(limits, cost, now),
        });
        // The first that has limits is nearest to the client.
        if rate_limits.is_empty() {
            rate_limits = meter.left(limits, now);
        }
    }
    Ok(Admitted {
        account: Arc::new(Account::new(reservations)),
        rate_limits,
    })
}

impl Account {
    fn new(reservations: Vec<Reservation>) -> Self {
        Self {
            reservations,
            input: AtomicU64::new(0),
            output: AtomicU64::new(0),
        }
    }

    /// Takes note of what the answer has used. Where another attempt follows, what that uses counts instead.
    pub(crate) fn used(&self, tokens: Tokens) {
        self.input.store(tokens.input, Ordering::Relaxed);
        self.output.store(tokens.output, Ordering::Relaxed);
    }

    /// The account of another answer that is made for the same request: what it uses is added.
    pub(crate) fn beside(&self) -> Self {
        let reservations = self.reservations.iter().map(|reservation| Reservation {
            gauge: Arc::clone(&reservation.gauge),
            tokens: 0,
        });
        Self::new(reservations.collect())
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let used = Tokens {
            input: *self.input.get_mut(),
            output: *self.output.get_mut(),
        };
        let now = Moment::now();
        for Reservation { gauge, tokens } in &self.reservations {
            gauge.meter().settle(*tokens, used, now);
        }
    }
}
