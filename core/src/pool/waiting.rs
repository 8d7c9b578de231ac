//! Waiting for a credential, where all are busy.
//!
//! Whoever waits stands in the queue of each pool that may serve it. A credential that comes back goes to the first in its pool's
//! queue, and to nobody who came later. Where one will be ready at some instant, one of those who wait keeps the time for all. What is handed over and no longer wanted is a lease that is dropped: it goes to the next.

use std::sync::Arc;

use futures_util::future::select_all;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{Lease, Leased, Member, NoLease, Pool, Shared, Wish};

/// Requests that may wait for one pool at a time: each holds its whole body, and those further behind would wait in vain.
const MAX_WAITERS: usize = 1024;

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    /// Which of its pools this is to it.
    tag: usize,
    /// Takes one lease, from whichever pool is first.
    sender: mpsc::Sender<(usize, Lease)>,
}

/// A credential that is to go to a waiter.
#[derive(Debug)]
pub(super) struct Grant {
    waiter: Waiter,
    member: Arc<Member>,
    leased: Leased,
}

/// Waits for a credential of any of these pools, at most until then. `None`: there was none, or too many wait already.
pub(crate) async fn first_free(pools: &[Arc<Pool>], until: Instant) -> Option<(usize, Lease)> {
    // One place: the pool that is second finds it taken and asks the next waiter.
    let (sender, receiver) = mpsc::channel(1);
    let mut waiting = Waiting {
        pools,
        sender,
        receiver,
    };
    if !waiting.queue() {
        return None;
    }
    loop {
        let told = pools.iter().map(|pool| pool.timing.notified());
        let told = select_all(told.map(Box::pin));
        let soonest = pools.iter().filter_map(|pool| pool.grant_all()).min();
        let wake_at = soonest.map_or(until, |soonest| soonest.min(until));
        tokio::select! {
            biased;
            served = waiting.receiver.recv() => return served,
            _ = told => {}
            () = sleep_until(wake_at) => {}
        }
        if Instant::now() >= until {
            // Served in the last moment.
            return waiting.receiver.try_recv().ok();
        }
    }
}

/// A place in some queues; dropping it leaves them.
struct Waiting<'a> {
    pools: &'a [Arc<Pool>],
    sender: mpsc::Sender<(usize, Lease)>,
    receiver: mpsc::Receiver<(usize, Lease)>,
}

impl Waiting<'_> {
    /// Joins the queues that have room; whether any has.
    fn queue(&self) -> bool {
        let mut has_room = false;
        for (tag, pool) in self.pools.iter().enumerate() {
            let mut shared = pool.shared();
            if shared.waiters.len() < MAX_WAITERS {
                shared.waiters.push_back(Waiter {
                    tag,
                    sender: self.sender.clone(),
                });
                has_room = true;
            }
        }
        has_room
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        for pool in self.pools {
            let mut shared = pool.shared();
            shared
                .waiters
                .retain(|waiter| !waiter.sender.same_channel(&self.sender));
            let has_waiters = !shared.waiters.is_empty();
            drop(shared);
            if has_waiters {
                // It may have been this one who knew when to look again.
                pool.timing.notify_one();
            }
        }
        // A lease that is still in the channel is dropped with the receiver, after this, and goes to the next.
    }
}

impl Pool {
    /// Gives what can be leased to those who wait, and has one of them look again when more can be though nothing comes back.
    pub(super) fn serve_waiters(self: &Arc<Self>) {
        if self.grant_all().is_some() {
            self.timing.notify_one();
        }
    }

    /// Gives what can be leased to those who wait. Returns when more can be leased though nothing comes back.
    fn grant_all(self: &Arc<Self>) -> Option<Instant> {
        loop {
            let now = Instant::now();
            let mut shared = self.shared();
            match shared.next_grant(now) {
                Ok(grant) => {
                    drop(shared);
                    grant.hand_over(self);
                }
                Err(until) => return until,
            }
        }
    }
}

impl Shared {
    /// Takes a credential for the first who waits.
    ///
    /// # Errors
    ///
    /// Where nobody waits, or there is none: when there may be one though none comes back.
    pub(super) fn next_grant(&mut self, now: Instant) -> Result<Grant, Option<Instant>> {
        // Served by another pool, or gone.
        while self.waiters.front().is_some_and(Waiter::is_done) {
            self.waiters.pop_front();
        }
        if self.waiters.is_empty() {
            return Err(None);
        }
        let wish = Wish {
            is_patient: true,
            ..Wish::default()
        };
        let leased = self.take(wish, now).map_err(NoLease::until)?;
        // There is one: it was looked for above.
        let waiter = self.waiters.pop_front().ok_or(None)?;
        let member = Arc::clone(self.member(leased.taken.slot));
        Ok(Grant {
            waiter,
            member,
            leased,
        })
    }
}

impl Waiter {
    fn is_done(&self) -> bool {
        self.sender.is_closed() || self.sender.capacity() == 0
    }
}

impl Grant {
    /// Hands the credential over. One that is not taken any more is given back. To be called without the pool's lock.
    pub(super) fn hand_over(self, pool: &Arc<Pool>) {
        let lease = Lease::new(Arc::clone(pool), self.member, self.leased);
        // A failure holds the lease, whose drop gives it back, and to the next.
        drop(self.waiter.sender.try_send((self.waiter.tag, lease)));
    }
}
