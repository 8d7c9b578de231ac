//! A slice that several tasks write to at once, each its own elements.

use std::{marker::PhantomData, ops::Range};

/// A slice lent to the tasks of one parallel region.
///
/// It holds the slice's exclusive borrow, so that nobody but the tasks reaches the elements while it lives.
#[derive(Debug)]
pub(crate) struct Disjoint<'a, T> {
    start: *mut T,
    length: usize,
    borrow: PhantomData<&'a mut [T]>,
}

#[expect(
    unsafe_code,
    reason = "tasks on several threads write to parts of one slice"
)]
// SAFETY: it is a `&mut [T]` whose parts go to other threads, for which `T: Send` is enough; `part` asks its caller that no two
// parts overlap.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    /// Lends a slice.
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            length: slice.len(),
            borrow: PhantomData,
        }
    }

    /// Some of the elements.
    ///
    /// # Panics
    ///
    /// Where the range is not within the slice.
    ///
    /// # Safety
    ///
    /// No other part with one of these elements is used while this one lives.
    #[inline(always)]
    #[expect(
        unsafe_code,
        reason = "tasks on several threads write to parts of one slice"
    )]
    #[expect(
        clippy::mut_from_ref,
        reason = "the caller promises that parts don't overlap"
    )]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.length);
        // SAFETY: the range is within the slice, whose exclusive borrow `self` holds; the caller uses no overlapping part.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "what is tested")]
    fn parts_are_the_slice_s_own_elements() {
        let mut numbers = [1, 2, 3, 4];
        let shared = Disjoint::new(&mut numbers);
        std::thread::scope(|scope| {
            // SAFETY: the two parts have no element in common.
            scope.spawn(|| unsafe { shared.part(0..2) }.fill(7));
            // SAFETY: as above.
            scope.spawn(|| unsafe { shared.part(2..4) }.fill(8));
        });
        assert_eq!(numbers, [7, 7, 8, 8]);
    }

    #[test]
    #[should_panic(expected = "range.end <= self.length")]
    #[expect(unsafe_code, reason = "what is tested")]
    fn a_part_beyond_the_slice_is_refused() {
        let mut numbers = [1, 2];
        // SAFETY: the only part.
        unsafe { Disjoint::new(&mut numbers).part(1..3) };
    }
}
