//! Memory arena for weights, in large pages.
//!
//! Decoding reads every weight once a token, so that it is bound by memory; and where each page of 4 KiB has to
//! be looked up, by that too. Linux gives pages of 2 MiB to those who ask for them, if it has any. Large pages were
//! measured to be worth it, and an allocator does not promise them: that is why this memory is mapped by hand.

use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{MmapMut, MmapRaw};

use crate::simd::Line;

/// Bytes that are reserved at once. What no matrix takes is never touched, and so costs nothing but the rest of the
/// last large page.
const CHUNK: usize = 32 << 20;

/// A type of numbers that memory of zeros can be read as.
///
/// # Safety
/// Any bits must be a value of the type, and it must take 4 bytes, so that 16 of them fill a cache line.
pub(crate) unsafe trait Number: Copy {}

// SAFETY: any 4 bytes are an `f32`.
unsafe impl Number for f32 {}
// SAFETY: any 4 bytes are a `u32`.
unsafe impl Number for u32 {}

/// Memory for the weights of several matrices, side by side: most are smaller than a large page.
#[derive(Default)]
pub struct Arena(Mutex<Option<Chunk>>);

struct Chunk {
    memory: Arc<MmapRaw>,
    /// Bytes that have been given away.
    used: usize,
}

impl Arena {
    /// So many lines of zeros.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub(crate) fn lines<T: Number>(&self, count: usize) -> io::Result<Lines<T>> {
        let too_many = || io::Error::new(io::ErrorKind::OutOfMemory, "more memory than there are addresses");
        let bytes = count.checked_mul(size_of::<Line<T>>()).ok_or_else(too_many)?;
        let mut chunk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let chunk = match &mut *chunk {
            Some(chunk) if chunk.memory.len() - chunk.used >= bytes => chunk,
            full => full.insert(Chunk::new(bytes.max(CHUNK))?),
        };
        let start = chunk.used;
        chunk.used += bytes;
        Ok(Lines { memory: Arc::clone(&chunk.memory), start, count, numbers: PhantomData })
    }
}

impl Chunk {
    fn new(bytes: usize) -> io::Result<Self> {
        let memory = MmapMut::map_anon(bytes)?;
        // Only a wish: without large pages it is slower, but as good.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        Ok(Self { memory: Arc::new(memory.into()), used: 0 })
    }
}

/// Lines of weights, scales or biases. A chunk is released with the last of them, and the newest with the arena.
pub(crate) struct Lines<T> {
    memory: Arc<MmapRaw>,
    /// In bytes.
    start: usize,
    count: usize,
    numbers: PhantomData<T>,
}

impl<T: Number> Deref for Lines<T> {
    type Target = [Line<T>];

    fn deref(&self) -> &[Line<T>] {
        // SAFETY: these bytes lie in the chunk, which `memory` keeps mapped; they begin at a multiple of a line's
        // size, since the chunk does and only whole lines are given away; any bits are numbers; and they were given
        // to nobody else, so that only `deref_mut`, which borrows `self` for writing, changes them.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().add(self.start).cast(), self.count) }
    }
}

impl<T: Number> DerefMut for Lines<T> {
    fn deref_mut(&mut self) -> &mut [Line<T>] {
        // SAFETY: these bytes lie in the chunk, which `memory` keeps mapped; they begin at a multiple of a line's
        // size, since the chunk does and only whole lines are given away; any bits are numbers; and they were given
        // to nobody else, so that `self`, borrowed for writing, is the only way to them.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().add(self.start).cast(), self.count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Side by side in a chunk, in another one if they do not fit, and each alone.
    #[test]
    fn lines_are_zeros_that_nobody_else_has() {
        let arena = Arena::default();
        let chunk = CHUNK / size_of::<Line<u32>>();
        let sizes = [3, 0, 5, chunk - 8, 1, chunk + 1];
        let mut parts: Vec<Lines<u32>> = sizes.into_iter().map(|count| arena.lines(count).unwrap()).collect();
        for (mark, part) in (1..).zip(&mut parts) {
            assert!(part.iter().all(|line| line.0 == [0; 16]));
            part.iter_mut().for_each(|line| line.0 = [mark; 16]);
        }
        for ((mark, part), count) in (1..).zip(&parts).zip(sizes) {
            assert_eq!(part.len(), count);
            assert!(part.iter().all(|line| line.0 == [mark; 16]));
        }
        assert!(Arc::ptr_eq(&parts[0].memory, &parts[3].memory));
        assert!(!Arc::ptr_eq(&parts[3].memory, &parts[4].memory));
    }
}
