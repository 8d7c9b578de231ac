//! A ring of slots: whoever was used longest ago comes first.
//!
//! A list that is linked both ways, in one vector: each step costs the same, however many slots there are.

/// Slots, in the order in which they were put in.
#[derive(Debug)]
pub(super) struct Ring {
    /// The neighbours of each slot, at its number and one. The first element is the ring's beginning and end.
    links: Vec<Link>,
}

/// The neighbours of an element; itself where it is not in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    before: usize,
    after: usize,
}

/// The element that stands for the ring's beginning and end.
const END: usize = 0;

impl Ring {
    /// A ring for no slot yet.
    pub(super) fn new() -> Self {
        Self {
            links: vec![Link::alone(END)],
        }
    }

    /// Makes room for one more slot, which is not in the ring; its number follows that of the one before.
    pub(super) fn grow(&mut self) {
        self.links.push(Link::alone(self.links.len()));
    }

    /// The slots, from the one that was put in first.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let mut at = END;
        std::iter::from_fn(move || {
            at = self.links[at].after;
            at.checked_sub(1)
        })
    }

    /// Whether no slot is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.links[END].after == END
    }

    /// Puts a slot that is not in the ring at its end.
    pub(super) fn push(&mut self, slot: usize) {
        let at = slot + 1;
        debug_assert_eq!(self.links[at], Link::alone(at), "a slot is there once");
        let last = self.links[END].before;
        self.links[at] = Link {
            before: last,
            after: END,
        };
        self.links[last].after = at;
        self.links[END].before = at;
    }

    /// Takes a slot out, wherever it is.
    pub(super) fn remove(&mut self, slot: usize) {
        let at = slot + 1;
        let Link { before, after } = self.links[at];
        self.links[before].after = after;
        self.links[after].before = before;
        self.links[at] = Link::alone(at);
    }
}

impl Link {
    fn alone(at: usize) -> Self {
        Self {
            before: at,
            after: at,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_ring_keeps_the_order_of_a_queue(steps in prop::collection::vec(0..5_usize, 0..100)) {
            let mut ring = Ring::new();
            (0..5).for_each(|_| ring.grow());
            let mut queue = VecDeque::new();
            for slot in steps {
                if let Some(at) = queue.iter().position(|&queued| queued == slot) {
                    queue.remove(at);
                    ring.remove(slot);
                } else {
                    queue.push_back(slot);
                    ring.push(slot);
                }
                prop_assert_eq!(ring.iter().collect::<Vec<_>>(), Vec::from(queue.clone()));
                prop_assert_eq!(ring.is_empty(), queue.is_empty());
            }
        }
    }
}
