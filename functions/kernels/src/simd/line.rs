//! Cache line of numbers, which fills a register.

/// Numbers of a register.
pub(crate) const LANES: usize = 16;

/// The most lines of weights that are read side by side.
pub(crate) const MAX_LINES: usize = 2;

/// A cache line that fills a register.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub(crate) [T; LANES]);
