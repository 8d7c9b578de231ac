//! The same counts over the last minute, hour, day and month, and in all.
//!
//! Each window is a row of slots of equal length, so that what grows old leaves it slot by slot; an idle one has none.

use std::collections::VecDeque;

use super::counts::{Counts, Event};

/// The windows, by their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// The last minute.
    Minute,
    /// The last hour.
    Hour,
    /// The last 24 hours.
    Day,
    /// The last 30 days.
    Month,
}

/// A window's slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slots {
    /// The length of one, in seconds; no two windows have the same.
    pub(crate) seconds: u64,
    /// How many there are.
    pub(crate) count: u64,
}

/// The slots of all chats together: as many as a chart shows.
pub(crate) const FINE: [Slots; 4] = [
    Slots::new(1, 60),
    Slots::new(60, 60),
    Slots::new(15 * 60, 96),
    Slots::new(86_400, 30),
];

/// The slots of one model, upstream, credential or key: there are thousands.
pub(crate) const COARSE: [Slots; 4] = [
    Slots::new(5, 12),
    Slots::new(5 * 60, 12),
    Slots::new(3600, 24),
    Slots::new(86_400, 30),
];

/// The length under which the counts in all are kept.
pub(crate) const IN_ALL: u64 = 0;

impl Window {
    /// All of them, the shortest first.
    #[cfg(test)]
    const ALL: [Self; 4] = [Self::Minute, Self::Hour, Self::Day, Self::Month];

    /// The window of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "minute" => Some(Self::Minute),
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            "month" => Some(Self::Month),
            _ => None,
        }
    }
}

impl Slots {
    const fn new(seconds: u64, count: u64) -> Self {
        Self { seconds, count }
    }

    /// The number of the oldest slot that is still in the window.
    fn oldest(self, now: u64) -> u64 {
        (now / self.seconds + 1).saturating_sub(self.count)
    }
}

/// The same counts over several times.
#[derive(Debug, Clone)]
pub(crate) struct Windows {
    rows: [Row; 4],
    total: Counts,
    /// What was counted in the shortest slot that is not over, and is in none of the above yet: one addition for each that is counted,
    /// and one for each row when it is over, or is looked at.
    open: Counts,
    /// When that slot begins.
    open_at: u64,
    /// Whether something was counted that is not kept yet.
    is_changed: bool,
}

/// One window.
#[derive(Debug, Clone)]
struct Row {
    slots: Slots,
    /// Those that have something, with their number since 1970, in order.
    counts: VecDeque<Slot>,
}

#[derive(Debug, Clone)]
struct Slot {
    number: u64,
    counts: Counts,
    is_changed: bool,
}

/// Counts to be kept, or that were.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// The length of the slot, in seconds; [`IN_ALL`] of what is none.
    pub(crate) slot_seconds: u64,
    /// When it begins, in seconds since 1970.
    pub(crate) begins_at: u64,
    /// What was counted in it.
    pub(crate) counts: Counts,
}

impl Windows {
    pub(crate) fn new(slots: [Slots; 4]) -> Self {
        Self {
            rows: slots.map(|slots| Row {
                slots,
                counts: VecDeque::new(),
            }),
            total: Counts::default(),
            open: Counts::default(),
            open_at: 0,
            is_changed: false,
        }
    }

    /// Counts one that ended then, in seconds since 1970; `now` moves on elsewhere.
    pub(crate) fn add(&mut self, ended_at: u64, event: &Event) {
        let slot_seconds = self.rows[0].slots.seconds;
        let begins_at = ended_at - ended_at % slot_seconds;
        if begins_at != self.open_at {
            self.settle();
            self.open_at = begins_at;
        }
        self.open.add(event);
    }

    /// Adds what was counted last to all rows; to be done before anything is read.
    pub(crate) fn settle(&mut self) {
        if self.open.requests == 0 {
            return;
        }
        for row in &mut self.rows {
            let slot = row.slot(self.open_at);
            slot.counts.add_all(&self.open);
            slot.is_changed = true;
        }
        self.total.add_all(&self.open);
        self.open.clear();
        self.is_changed = true;
    }

    /// What was counted in a window up to now.
    pub(crate) fn counts(&self, window: Window, now: u64) -> Counts {
        let mut counts = Counts::default();
        for slot in self.row(window).in_window(now) {
            counts.add_all(&slot.counts);
        }
        counts
    }

    /// What was counted in all.
    pub(crate) fn total(&self) -> &Counts {
        &self.total
    }

    /// How many ended in a window up to now.
    pub(crate) fn requests(&self, window: Window, now: u64) -> u64 {
        let slots = self.row(window).in_window(now);
        slots.map(|slot| slot.counts.requests).sum()
    }

    /// A window slot by slot, those without anything too: when each begins, and what was counted in it.
    pub(crate) fn course(&self, window: Window, now: u64) -> Vec<(u64, Counts)> {
        let row = self.row(window);
        let mut filled = row.in_window(now).peekable();
        (row.slots.oldest(now)..=now / row.slots.seconds)
            .map(|number| {
                let slot = filled.next_if(|slot| slot.number == number);
                let counts = slot.map_or_else(Counts::default, |slot| slot.counts.clone());
                (number * row.slots.seconds, counts)
            })
            .collect()
    }

    /// The length of a window's slots, in seconds.
    pub(crate) fn slot_seconds(&self, window: Window) -> u64 {
        self.row(window).slots.seconds
    }

    /// Whether nothing was counted for as long as anything is told apart.
    pub(crate) fn is_forgotten(&self, now: u64) -> bool {
        self.open.requests == 0 && self.requests(Window::Month, now) == 0
    }

    /// What has changed since this was last asked, and forgets what has left its window.
    pub(crate) fn take_changed(&mut self, now: u64) -> Vec<Kept> {
        self.settle();
        if !std::mem::take(&mut self.is_changed) {
            return Vec::new();
        }
        let mut changed = vec![Kept {
            slot_seconds: IN_ALL,
            begins_at: 0,
            counts: self.total.clone(),
        }];
        for row in &mut self.rows {
            row.forget(now);
            for slot in &mut row.counts {
                if std::mem::take(&mut slot.is_changed) {
                    changed.push(Kept {
                        slot_seconds: row.slots.seconds,
                        begins_at: slot.number * row.slots.seconds,
                        counts: slot.counts.clone(),
                    });
                }
            }
        }
        changed
    }

    /// Takes in what was kept.
    pub(crate) fn restore(&mut self, kept: Kept) {
        if kept.slot_seconds == IN_ALL {
            self.total.add_all(&kept.counts);
            return;
        }
        let rows = &mut self.rows;
        if let Some(row) = rows
            .iter_mut()
            .find(|row| row.slots.seconds == kept.slot_seconds)
        {
            row.slot(kept.begins_at).counts.add_all(&kept.counts);
        }
    }

    /// How many slots have something.
    #[cfg(test)]
    pub(crate) fn slot_count(&self) -> usize {
        self.rows.iter().map(|row| row.counts.len()).sum()
    }

    fn row(&self, window: Window) -> &Row {
        &self.rows[window as usize]
    }
}

impl Row {
    /// The slot of a time; made where there is none.
    fn slot(&mut self, time: u64) -> &mut Slot {
        let number = time / self.slots.seconds;
        // Nearly always the last one, or one after it.
        let mut at = self.counts.len();
        while at > 0 && self.counts[at - 1].number > number {
            at -= 1;
        }
        if at == 0 || self.counts[at - 1].number < number {
            self.counts.insert(
                at,
                Slot {
                    number,
                    counts: Counts::default(),
                    is_changed: false,
                },
            );
            at += 1;
        }
        let excess = self
            .counts
            .len()
            .saturating_sub(self.slots.count as usize + 1);
        self.counts.drain(..excess.min(at - 1));
        let at = at - excess.min(at - 1);
        &mut self.counts[at - 1]
    }

    fn in_window(&self, now: u64) -> impl Iterator<Item = &Slot> {
        let (oldest, newest) = (self.slots.oldest(now), now / self.slots.seconds);
        self.counts
            .iter()
            .filter(move |slot| (oldest..=newest).contains(&slot.number))
    }

    fn forget(&mut self, now: u64) {
        let oldest = self.slots.oldest(now);
        while self.counts.front().is_some_and(|slot| slot.number < oldest) {
            self.counts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::counts::tests::answered, *};

    /// A Tuesday, at the beginning of a minute.
    const NOW: u64 = 1_795_537_200;

    fn requests(windows: &Windows, now: u64) -> [u64; 5] {
        let [minute, hour, day, month] = Window::ALL.map(|window| windows.requests(window, now));
        [minute, hour, day, month, windows.total().requests]
    }

    #[test]
    fn what_grows_old_leaves_one_window_after_the_other() {
        for slots in [FINE, COARSE] {
            let mut windows = Windows::new(slots);
            windows.add(NOW, &answered());
            windows.settle();
            assert_eq!(requests(&windows, NOW), [1, 1, 1, 1, 1]);
            assert_eq!(requests(&windows, NOW + 54), [1, 1, 1, 1, 1]);
            assert_eq!(requests(&windows, NOW + 60), [0, 1, 1, 1, 1]);
            assert_eq!(requests(&windows, NOW + 3600), [0, 0, 1, 1, 1]);
            assert_eq!(requests(&windows, NOW + 25 * 3600), [0, 0, 0, 1, 1]);
            assert_eq!(requests(&windows, NOW + 31 * 86_400), [0, 0, 0, 0, 1]);
            assert!(windows.is_forgotten(NOW + 31 * 86_400));
        }
    }

    #[test]
    fn a_window_holds_no_more_slots_than_it_has() {
        let mut windows = Windows::new(COARSE);
        for second in 0..2 * 86_400 {
            windows.add(NOW + second, &answered());
        }
        windows.settle();
        let now = NOW + 2 * 86_400 - 1;
        assert_eq!(requests(&windows, now)[0], 60);
        assert_eq!(requests(&windows, now)[4], 2 * 86_400);
        assert!(
            windows
                .rows
                .iter()
                .all(|row| row.counts.len() as u64 <= row.slots.count + 1)
        );
    }

    #[test]
    fn a_late_one_is_counted_when_it_ended() {
        let mut windows = Windows::new(FINE);
        windows.add(NOW + 2, &answered());
        windows.settle();
        windows.add(NOW, &answered());
        windows.settle();
        windows.add(NOW + 2, &answered());
        windows.settle();
        let course = windows.course(Window::Minute, NOW + 3);
        assert_eq!(course.len(), 60);
        let last: Vec<_> = course[56..]
            .iter()
            .map(|(begins_at, counts)| (begins_at - NOW, counts.requests))
            .collect();
        assert_eq!(last, [(0, 1), (1, 0), (2, 2), (3, 0)]);
    }

    #[test]
    fn what_is_kept_is_there_again_and_only_changes_are_kept() {
        let mut windows = Windows::new(COARSE);
        windows.add(NOW - 7200, &answered());
        windows.settle();
        windows.add(NOW, &answered());
        windows.settle();
        let kept = windows.take_changed(NOW);
        // The hour before last is out of the minute's and the hour's windows.
        assert_eq!(kept.len(), 1 + 1 + 1 + 2 + 1);
        assert_eq!(windows.take_changed(NOW).len(), 0);

        let mut again = Windows::new(COARSE);
        for kept in kept {
            again.restore(kept);
        }
        assert_eq!(requests(&again, NOW), requests(&windows, NOW));
        windows.add(NOW + 1, &answered());
        windows.settle();
        assert_eq!(windows.take_changed(NOW + 1).len(), 5);
    }
}
