//! What the model remembers of a conversation: each layer's keys and values for each token, in half precision.
//!
//! It lies in pages of [`PAGE`] tokens. Conversations with a common beginning share its pages; one that writes to a shared page
//! gets a copy of its own first.

use std::sync::Arc;

use crate::half;

/// Tokens a page. One of SmolLM2-135M has 1.5 MB.
pub(crate) const PAGE: usize = 64;

/// How large a token's keys and values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryShape {
    /// Layers of the model.
    pub(crate) layers: usize,
    /// Key-value heads a layer.
    pub(crate) heads: usize,
    /// Numbers a key, and a value.
    pub(crate) head_size: usize,
}

/// The keys and values of a conversation's tokens.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    shape: MemoryShape,
    pages: Vec<Arc<[u16]>>,
    length: usize,
}

impl Memory {
    /// Remembers nothing yet.
    pub(crate) fn new(shape: MemoryShape) -> Self {
        Self {
            shape,
            pages: Vec::new(),
            length: 0,
        }
    }

    /// How many tokens it remembers.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The same for the first tokens only.
    pub(crate) fn prefix(&self, length: usize) -> Self {
        debug_assert!(length <= self.length);
        Self {
            shape: self.shape,
            pages: self.pages[..length.div_ceil(PAGE)].to_vec(),
            length,
        }
    }

    /// Makes room for more tokens; each layer's are to be written by [`Self::write`].
    pub(crate) fn grow(&mut self, tokens: usize) {
        self.length += tokens;
        let page_size = self.shape.layers * self.shape.layer_size();
        while self.pages.len() * PAGE < self.length {
            self.pages.push(vec![0; page_size].into());
        }
    }

    /// Writes one layer's keys and values for the last tokens, a row a token.
    pub(crate) fn write<'a>(
        &mut self,
        layer: usize,
        tokens: impl ExactSizeIterator<Item = (&'a [f32], &'a [f32])>,
    ) {
        let MemoryShape {
            heads, head_size, ..
        } = self.shape;
        let first = self.length - tokens.len();
        for (position, (keys, values)) in (first..).zip(tokens) {
            let page = Arc::make_mut(&mut self.pages[position / PAGE]);
            let slot = position % PAGE;
            let layer = &mut page[layer * self.shape.layer_size()..][..self.shape.layer_size()];
            let (stored_keys, stored_values) = layer.split_at_mut(heads * head_size * PAGE);
            for (head, value) in stored_values.chunks_exact_mut(head_size * PAGE).enumerate() {
                for (index, value) in value[slot * head_size..][..head_size]
                    .iter_mut()
                    .enumerate()
                {
                    *value = half::from_f32(values[head * head_size + index]);
                }
            }
            for (row, key) in stored_keys.chunks_exact_mut(PAGE).zip(keys) {
                row[slot] = half::from_f32(*key);
            }
        }
    }

    /// One head's keys in a page, a row of [`PAGE`] tokens for each number of a key.
    pub(crate) fn keys(&self, page: usize, layer: usize, head: usize) -> &[u16] {
        let size = self.shape.head_size * PAGE;
        &self.pages[page][layer * self.shape.layer_size() + head * size..][..size]
    }

    /// One head's values in a page, a row for each token.
    pub(crate) fn values(&self, page: usize, layer: usize, head: usize) -> &[u16] {
        let size = self.shape.head_size * PAGE;
        &self.pages[page][layer * self.shape.layer_size() + (self.shape.heads + head) * size..]
            [..size]
    }
}

impl MemoryShape {
    /// Numbers that one layer has in a page: keys, then values.
    fn layer_size(self) -> usize {
        2 * self.heads * self.head_size * PAGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: MemoryShape = MemoryShape {
        layers: 2,
        heads: 2,
        head_size: 8,
    };

    fn remember(memory: &mut Memory, tokens: &[f32]) {
        memory.grow(tokens.len());
        for layer in 0..SHAPE.layers {
            let rows: Vec<[f32; 16]> = tokens
                .iter()
                .map(|&token| [token + layer as f32; 16])
                .collect();
            memory.write(layer, rows.iter().map(|row| (&row[..], &row[..])));
        }
    }

    fn key(memory: &Memory, position: usize, layer: usize) -> f32 {
        half::to_f32(memory.keys(position / PAGE, layer, 1)[7 * PAGE + position % PAGE])
    }

    fn value(memory: &Memory, position: usize, layer: usize) -> f32 {
        half::to_f32(memory.values(position / PAGE, layer, 1)[position % PAGE * 8 + 7])
    }

    #[test]
    fn a_conversation_that_goes_on_leaves_the_one_it_came_from_alone() {
        let mut first = Memory::new(SHAPE);
        remember(&mut first, &[1.0; 70]);
        remember(&mut first, &[2.0; 30]);
        let mut second = first.prefix(80);
        remember(&mut second, &[5.0; 60]);
        assert_eq!((first.len(), second.len()), (100, 140));
        for layer in 0..2 {
            let shift = layer as f32;
            let seen = [69, 79, 80, 99].map(|position| key(&first, position, layer) - shift);
            assert_eq!(seen, [1.0, 2.0, 2.0, 2.0]);
            let seen = [69, 79, 80, 139].map(|position| key(&second, position, layer) - shift);
            assert_eq!(seen, [1.0, 2.0, 5.0, 5.0]);
            let seen = [69, 79, 80, 139].map(|position| value(&second, position, layer) - shift);
            assert_eq!(seen, [1.0, 2.0, 5.0, 5.0]);
        }
        assert!(Arc::ptr_eq(&first.pages[0], &second.pages[0]));
        assert!(!Arc::ptr_eq(&first.pages[1], &second.pages[1]));
    }
}
