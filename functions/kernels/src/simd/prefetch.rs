//! Prefetch instructions: memory is asked for before it is read.

use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};

/// Asks for what will be read next, into the first cache.
#[inline(always)]
pub(crate) fn prefetch<T>(start: *const T) {
    // SAFETY: SSE, which every x86-64 has, contains this instruction; it accepts any address and never faults.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(start.cast()) };
}

/// Asks for what will be read soon, into the second cache.
#[inline(always)]
pub(crate) fn prefetch_soon<T>(start: *const T) {
    // SAFETY: SSE, which every x86-64 has, contains this instruction; it accepts any address and never faults.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(start.cast()) };
}
