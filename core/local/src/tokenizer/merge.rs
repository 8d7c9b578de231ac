//! Byte-pair encoding: neighbours are merged into longer tokens, the pair learnt first before all others.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use super::alphabet;

/// Which tokens merge into which.
#[derive(Debug)]
pub(super) struct Merges(HashMap<(u32, u32), Merge>);

/// What a pair becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Merge {
    /// Lower comes first.
    rank: u32,
    token: u32,
}

/// A token in its word, in a list from which merged ones drop out.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    token: u32,
    previous: Option<usize>,
    next: Option<usize>,
    /// Part of the one before it.
    gone: bool,
}

impl Merges {
    /// Reads a vocabulary's list of pairs; a pair that makes no token is left out.
    pub(super) fn new(pairs: &[&str], words: &HashMap<Box<[u8]>, u32>) -> Self {
        let mut merges = HashMap::with_capacity(pairs.len());
        for (rank, pair) in (0..).zip(pairs) {
            let Some((left, right)) = pair.split_once(' ') else {
                continue;
            };
            let (left, right) = (alphabet::to_bytes(left), alphabet::to_bytes(right));
            let whole = [&left[..], &right[..]].concat();
            let token = |bytes: &[u8]| words.get(bytes).copied();
            if let (Some(left), Some(right), Some(token)) =
                (token(&left), token(&right), token(&whole))
            {
                merges.entry((left, right)).or_insert(Merge { rank, token });
            }
        }
        Self(merges)
    }

    /// Merges a word's tokens for as long as a pair is known, and appends what is left.
    pub(super) fn merge(&self, word: impl Iterator<Item = u32>, tokens: &mut Vec<u32>) {
        let mut symbols: Vec<Symbol> = word
            .enumerate()
            .map(|(index, token)| Symbol {
                token,
                previous: index.checked_sub(1),
                next: Some(index + 1),
                gone: false,
            })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.next = None;
        }
        // The lowest rank first, of equal ones the leftmost. An entry whose pair has changed since is passed over.
        let mut queue = BinaryHeap::with_capacity(symbols.len());
        let enqueue = |queue: &mut BinaryHeap<_>, symbols: &[Symbol], left: usize| {
            if let Some(right) = symbols[left].next
                && let Some(merge) = self.0.get(&(symbols[left].token, symbols[right].token))
            {
                queue.push(Reverse((
                    merge.rank,
                    left,
                    right,
                    symbols[left].token,
                    symbols[right].token,
                )));
            }
        };
        for left in 0..symbols.len() {
            enqueue(&mut queue, &symbols, left);
        }
        while let Some(Reverse((_, left, right, left_token, right_token))) = queue.pop() {
            let fresh = !symbols[left].gone
                && !symbols[right].gone
                && symbols[left].next == Some(right)
                && (symbols[left].token, symbols[right].token) == (left_token, right_token);
            let Some(merge) = self.0.get(&(left_token, right_token)).filter(|_| fresh) else {
                continue;
            };
            let after = symbols[right].next;
            symbols[right].gone = true;
            symbols[left].token = merge.token;
            symbols[left].next = after;
            if let Some(after) = after {
                symbols[after].previous = Some(left);
            }
            enqueue(&mut queue, &symbols, left);
            if let Some(previous) = symbols[left].previous {
                enqueue(&mut queue, &symbols, previous);
            }
        }
        tokens.extend(
            symbols
                .iter()
                .filter(|symbol| !symbol.gone)
                .map(|symbol| symbol.token),
        );
    }
}
