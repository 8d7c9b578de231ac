//! Conversations whose memory is kept after their answer, for the next turn to go on from.

use std::collections::VecDeque;

use crate::memory::Memory;

/// Remembered conversations, the one used last at the back.
#[derive(Debug)]
pub(super) struct Kept {
    conversations: VecDeque<Conversation>,
    /// Tokens that all may have together.
    capacity: usize,
}

#[derive(Debug)]
struct Conversation {
    tokens: Vec<u32>,
    memory: Memory,
}

impl Kept {
    /// Keeps conversations of so many tokens in all.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            conversations: VecDeque::new(),
            capacity,
        }
    }

    /// Keeps a conversation's memory, whose tokens these are.
    pub(super) fn keep(&mut self, tokens: &[u32], memory: Memory) {
        let tokens = tokens[..memory.len()].to_vec();
        if self
            .conversations
            .iter()
            .any(|other| other.tokens.starts_with(&tokens))
        {
            return;
        }
        // What it began with is in it.
        self.conversations
            .retain(|other| !tokens.starts_with(&other.tokens));
        self.conversations
            .push_back(Conversation { tokens, memory });
        let mut sum: usize = self
            .conversations
            .iter()
            .map(|kept| kept.tokens.len())
            .sum();
        while sum > self.capacity
            && let Some(oldest) = self.conversations.pop_front()
        {
            sum -= oldest.tokens.len();
        }
    }

    /// The memory of as many of the first tokens as any kept conversation has, but for the last, whose result is wanted.
    pub(super) fn longest_prefix(&mut self, tokens: &[u32]) -> Option<Memory> {
        let most = tokens.len().saturating_sub(1);
        let (index, length) = self
            .conversations
            .iter()
            .map(|kept| common_length(&kept.tokens, tokens).min(most))
            .enumerate()
            .max_by_key(|&(_, length)| length)?;
        if length == 0 {
            return None;
        }
        let used = self.conversations.remove(index)?;
        let memory = used.memory.prefix(length);
        self.conversations.push_back(used);
        Some(memory)
    }
}

/// How many of the first tokens are the same.
pub(super) fn common_length(one: &[u32], other: &[u32]) -> usize {
    one.iter()
        .zip(other)
        .take_while(|(one, other)| one == other)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryShape;

    fn memory(tokens: usize) -> Memory {
        let mut memory = Memory::new(MemoryShape {
            layers: 1,
            heads: 1,
            head_size: 8,
        });
        memory.grow(tokens);
        memory
    }

    #[test]
    fn the_longest_common_beginning_is_found() {
        let mut kept = Kept::new(100);
        kept.keep(&[1, 2, 3, 4], memory(4));
        kept.keep(&[1, 2, 9], memory(3));
        let length = |kept: &mut Kept, tokens: &[u32]| {
            kept.longest_prefix(tokens).map(|memory| memory.len())
        };
        assert_eq!(length(&mut kept, &[1, 2, 3, 7, 7]), Some(3));
        assert_eq!(length(&mut kept, &[1, 2, 9, 9]), Some(3));
        assert_eq!(length(&mut kept, &[1, 2, 3]), Some(2));
        assert_eq!(length(&mut kept, &[5, 1, 2]), None);
        assert_eq!(length(&mut kept, &[1]), None);
    }

    #[test]
    fn a_conversation_takes_the_place_of_its_beginning_and_old_ones_go() {
        let mut kept = Kept::new(8);
        kept.keep(&[1, 2], memory(2));
        kept.keep(&[1, 2, 3, 4], memory(4));
        kept.keep(&[5, 6, 7], memory(3));
        kept.keep(&[5, 6], memory(2));
        assert_eq!(kept.conversations.len(), 2);
        kept.longest_prefix(&[1, 2, 3]);
        kept.keep(&[8, 9], memory(2));
        let tokens: Vec<&[u32]> = kept
            .conversations
            .iter()
            .map(|kept| &kept.tokens[..])
            .collect();
        assert_eq!(tokens, [&[1, 2, 3, 4][..], &[8, 9]]);
    }
}
