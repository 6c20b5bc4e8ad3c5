//! Lock-free range of turns, taken from both ends.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// The turns that nobody has taken, `start..end` in the upper and the lower half. Workers take the first, and the
/// thread that waits for the job the last, so that each goes through memory of its own.
#[derive(Default)]
pub(super) struct Turns(AtomicU64);

impl Turns {
    const ONE: u64 = 1;
    const ONE_AT_START: u64 = 1 << 32;

    fn range(turns: u64) -> Range<usize> {
        (turns >> 32) as usize..turns as u32 as usize
    }

    /// Opens `0..turns`.
    pub(super) fn set(&self, turns: usize) {
        self.0.store(turns as u64, Ordering::Release);
    }

    pub(super) fn is_empty(&self) -> bool {
        Self::range(self.0.load(Ordering::Relaxed)).is_empty()
    }

    fn take(&self, taken: impl Fn(u64) -> u64) -> Option<Range<usize>> {
        let before = self.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, |turns| {
            (!Self::range(turns).is_empty()).then(|| taken(turns))
        });
        before.ok().map(Self::range)
    }

    pub(super) fn take_first(&self) -> Option<usize> {
        Some(self.take(|turns| turns + Self::ONE_AT_START)?.start)
    }

    pub(super) fn take_last(&self) -> Option<usize> {
        Some(self.take(|turns| turns - Self::ONE)?.end - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_taken_from_both_ends_until_none_is_left() {
        let turns = Turns::default();
        assert!(turns.is_empty() && turns.take_first().is_none() && turns.take_last().is_none());
        turns.set(3);
        assert_eq!((turns.take_first(), turns.take_last(), turns.take_first()), (Some(0), Some(2), Some(1)));
        assert!(turns.is_empty() && turns.take_last().is_none());
    }
}
