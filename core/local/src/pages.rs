//! Large slices in memory of their own, which the system gets back at once when they are dropped.
//!
//! An allocator keeps what it has once got: glibc, after a model of 100 MB was dropped, for the most part and for good.

use std::{
    io,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    slice,
};

use memmap2::MmapMut;

/// Numbers, and structures of nothing but numbers.
///
/// # Safety
///
/// Any bits are a value of the type, which needs no alignment beyond a memory page's, of 4 KiB.
#[expect(unsafe_code, reason = "a promise about types")]
pub(crate) unsafe trait Plain: Copy {}

#[expect(unsafe_code, reason = "a promise about types")]
// SAFETY: a number of which all bits are values.
unsafe impl Plain for u8 {}

/// A slice in pages of its own, all zeros at first.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    map: MmapMut,
    length: usize,
    elements: PhantomData<T>,
}

impl<T: Plain> Pages<T> {
    /// Takes memory for so many elements.
    ///
    /// # Errors
    ///
    /// Where there is not as much.
    pub(crate) fn zeroed(length: usize) -> io::Result<Self> {
        let size = length
            .checked_mul(size_of::<T>())
            .ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            // There is no mapping of no bytes.
            map: MmapMut::map_anon(size.max(1))?,
            length,
            elements: PhantomData,
        })
    }
}

impl<T: Plain> Deref for Pages<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        #[expect(unsafe_code, reason = "bytes as numbers")]
        // SAFETY: the mapping has room for `length` elements, begins with a page, as `Plain` types may, and is only reached through
        // `self`. Its bits are zeros or what was written as `T`, and any bits are a `T`.
        unsafe {
            slice::from_raw_parts(self.map.as_ptr().cast(), self.length)
        }
    }
}

impl<T: Plain> DerefMut for Pages<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        #[expect(unsafe_code, reason = "bytes as numbers")]
        // SAFETY: as in `deref`; `self` is borrowed exclusively.
        unsafe {
            slice::from_raw_parts_mut(self.map.as_mut_ptr().cast(), self.length)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_behave_like_a_vector() {
        for length in [0, 1, 100_000] {
            let mut vector = vec![0; length];
            let mut pages = Pages::<u8>::zeroed(length).unwrap();
            assert_eq!(pages[..], vector[..]);
            for (index, (one, other)) in vector.iter_mut().zip(pages.iter_mut()).enumerate() {
                (*one, *other) = (index as u8, index as u8);
            }
            assert_eq!(pages[..], vector[..]);
        }
    }

    #[test]
    fn more_than_there_is_is_an_error() {
        assert!(Pages::<u8>::zeroed(usize::MAX).is_err());
    }
}
