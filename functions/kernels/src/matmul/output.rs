//! Output matrix that several threads write at the same time.

use std::marker::PhantomData;

use super::format::STRIP;
use crate::simd::{LANES, Simd};

/// A matrix that tasks write at the same time, each of them other columns: `[rows, columns]`.
pub(crate) struct Output<'a> {
    start: *mut f32,
    pub(crate) rows: usize,
    columns: usize,
    numbers: PhantomData<&'a mut [f32]>,
}

// SAFETY: the methods, which alone use the pointer, are unsafe: their callers keep reads and writes of different
// threads apart. The numbers themselves may be sent between threads.
unsafe impl Sync for Output<'_> {}

impl<'a> Output<'a> {
    /// A matrix `[rows, columns]` in `numbers`.
    ///
    /// # Panics
    /// If `numbers` has another length.
    pub(crate) fn new(numbers: &'a mut [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(numbers.len(), rows * columns, "rows and columns of a product");
        Self { start: numbers.as_mut_ptr(), rows, columns, numbers: PhantomData }
    }

    /// A strip of a row.
    ///
    /// # Safety
    /// Nobody may write to it for as long as it is borrowed.
    pub(crate) unsafe fn strip(&self, row: usize, strip: usize) -> &[f32] {
        let column = strip * STRIP;
        assert!(row < self.rows && column < self.columns);
        let length = STRIP.min(self.columns - column);
        // SAFETY: the row exists, and the strip begins in it and is cut off at its end; the numbers are borrowed
        // for as long as `self` lives, and the caller keeps writers away.
        unsafe { std::slice::from_raw_parts(self.start.add(row * self.columns + column), length) }
    }

    /// Writes one number.
    ///
    /// # Safety
    /// No other task may read or write it at the same time.
    pub(crate) unsafe fn set(&self, row: usize, column: usize, number: f32) {
        assert!(row < self.rows && column < self.columns);
        // SAFETY: the row and the column exist, as asserted, and the caller keeps other threads away.
        unsafe { self.start.add(row * self.columns + column).write(number) };
    }

    /// Writes the sums of a line of columns in one row; what is beyond the columns is left out.
    ///
    /// # Safety
    /// No other task may read or write them at the same time.
    #[inline(always)]
    pub(crate) unsafe fn store<S: Simd>(&self, simd: S, row: usize, line: usize, sums: S::Floats) {
        assert!(row < self.rows);
        let column = line * LANES;
        if column < self.columns {
            let count = LANES.min(self.columns - column);
            // SAFETY: the row exists, as asserted, and it has `count` columns from this one on; the caller keeps
            // other threads away.
            unsafe { simd.store_first(self.start.add(row * self.columns + column), count, sums) };
        }
    }
}
