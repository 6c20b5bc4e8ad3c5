//! One head of attention: new keys and values are appended, then each query looks at the positions up to its own.

use std::ops::Range;
use std::slice;

use super::blocks::{Block, Cached, Unpacked, add_block, powers, products, row};
use super::memory::{MAX_D_HEAD, Memory, QUERIES, Run};
use crate::simd::{F16, LANES, MAX_F16, Simd, prefetch_soon};

/// A head's part of the memory.
///
/// Invariants: the pointers are valid, for reads and, but for `packed`, writes, for the parts of this head of the
/// shapes of `run` (see [`Memory`]), and nothing else uses what is written; `past + new = total <= capacity`;
/// `total <= padded`, a multiple of [`LANES`]; `1 <= d_head <= MAX_D_HEAD`.
pub(super) struct Head {
    run: Run,
    past: usize,
    head: usize,
    packed: *const f32,
    keys: *mut F16,
    values: *mut F16,
    output: *mut f32,
    /// Null if nobody asks for them.
    weights: *mut f32,
    scores: *mut f32,
    /// Keys that are read next, by whoever computes the next head, and their number; they are only prefetched.
    next: (*const F16, usize),
}

impl Head {
    /// # Safety
    /// The memory must have the shapes of `run` and be valid, and nothing else may use what belongs to this head, for as
    /// long as this lives.
    ///
    /// # Panics
    /// If the sizes do not fit together.
    pub(super) unsafe fn new(run: &Run, memory: &Memory, head: usize) -> Self {
        let Run { heads, d_head, capacity, new, total, padded, .. } = *run;
        assert!(head < heads && new <= total && total <= capacity && total <= padded);
        assert!(padded.is_multiple_of(LANES) && (1..=MAX_D_HEAD).contains(&d_head));
        let weights = if memory.weights.is_null() {
            memory.weights
        } else {
            // SAFETY: the weights are `[heads, new, total]`, and `head` is below `heads`.
            unsafe { memory.weights.add(head * new * total) }
        };
        // SAFETY: keys and values are `[heads, capacity, d_head]`, scores `[heads, kept, padded]`, and `head` is
        // below `heads`.
        let (keys, values, scores) = unsafe {
            (
                memory.keys.add(head * capacity * d_head),
                memory.values.add(head * capacity * d_head),
                memory.scores.add(head * run.kept() * padded),
            )
        };
        let (past, packed, output) = (total - new, memory.packed, memory.output);
        let next = (keys.cast_const().wrapping_add(capacity * d_head), total * d_head);
        Self { run: *run, past, head, packed, keys, values, output, weights, scores, next }
    }

    /// Sets where the keys of `head` of another text lie, which is computed next.
    pub(super) fn before(mut self, run: &Run, memory: &Memory, head: usize) -> Self {
        let start = memory.keys.cast_const().wrapping_add(head * run.capacity * run.d_head);
        self.next = (start, run.total * run.d_head);
        self
    }

    /// Computes the head.
    pub(super) fn attend<S: Simd>(self, simd: S) {
        match self.run.d_head.div_ceil(LANES) {
            1 => self.attend_with::<S, 1>(simd),
            2 => self.attend_with::<S, 2>(simd),
            3 => self.attend_with::<S, 3>(simd),
            4 => self.attend_with::<S, 4>(simd),
            5 => self.attend_with::<S, 5>(simd),
            6 => self.attend_with::<S, 6>(simd),
            7 => self.attend_with::<S, 7>(simd),
            _ => self.attend_with::<S, 8>(simd),
        }
    }

    /// Computes a head whose rows take `WIDTH` registers.
    #[inline(always)]
    fn attend_with<S: Simd, const WIDTH: usize>(self, simd: S) {
        simd.vectorize(
            #[inline(always)]
            move || {
                let mut head = self; // a local variable, so that its pointers are kept in registers
                let Run { d_head, new, .. } = head.run;
                head.append::<S, WIDTH>(simd);
                for start in (0..new).step_by(QUERIES) {
                    let queries = start..new.min(start + QUERIES);
                    let seen = (head.past + queries.end) * d_head;
                    prefetch(head.values, seen);
                    head.write_scores::<S, WIDTH>(simd, queries.clone());
                    prefetch(head.next.0, head.next.1);
                    let inverse_sums = head.softmax(simd, queries.clone());
                    head.write_output::<S, WIDTH>(simd, queries, &inverse_sums);
                }
            },
        );
    }

    /// The query (0), key (1) or value (2) of a new position.
    ///
    /// # Safety
    /// `row` must be below `new`, and `part` below 3.
    #[inline(always)]
    unsafe fn row(&self, row: usize, part: usize) -> *const f32 {
        let Run { heads, d_head, .. } = self.run;
        // SAFETY: the rows are `[new, 3, heads, d_head]`, and the caller vouches for `row` and `part`.
        unsafe { self.packed.add(((row * 3 + part) * heads + self.head) * d_head) }
    }

    /// Writes new keys and values behind those that are there, rounded to half precision.
    #[inline(always)]
    fn append<S: Simd, const WIDTH: usize>(&mut self, simd: S) {
        let Run { d_head, new, .. } = self.run;
        for row in 0..new {
            for part in 0..WIDTH {
                let (first, count) = (part * LANES, LANES.min(d_head - part * LANES));
                // SAFETY: `row` is below `new`, so that its key and value are there; all registers but the last are
                // full, so that `count` numbers are left of them. Their place, `past + row`, is below `total`, for
                // which there is room.
                unsafe {
                    let place = (self.past + row) * d_head + first;
                    let key = simd.load_first(self.row(row, 1).add(first), count);
                    let value = simd.load_first(self.row(row, 2).add(first), count);
                    simd.store_f16(self.keys.add(place), count, within_f16(simd, key));
                    simd.store_f16(self.values.add(place), count, within_f16(simd, value));
                }
            }
        }
    }

    /// Writes the scores of queries and the keys up to their positions: their products, scaled. A block of keys
    /// that has been read serves all queries before the next is read.
    #[inline(always)]
    fn write_scores<S: Simd, const WIDTH: usize>(&mut self, simd: S, queries: Range<usize>) {
        for block in (0..self.past + queries.end).step_by(LANES) {
            let count = LANES.min(self.past + queries.end - block);
            // SAFETY: keys have been written up to the position of the last query; they take `WIDTH` registers each.
            let keys = unsafe { Cached::new(self.keys.add(block * self.run.d_head), count, self.run.d_head) };
            if queries.len() == 1 {
                self.write_scores_of_block::<S, WIDTH>(simd, queries.clone(), block, &keys);
            } else {
                let keys = Unpacked::<S, WIDTH>::new(simd, keys);
                self.write_scores_of_block::<S, WIDTH>(simd, queries.clone(), block, &keys);
            }
        }
    }

    #[inline(always)]
    fn write_scores_of_block<S: Simd, const WIDTH: usize>(
        &mut self,
        simd: S,
        queries: Range<usize>,
        block: usize,
        keys: &impl Block<S, WIDTH>,
    ) {
        let Run { d_head, padded, scale, .. } = self.run;
        for query in queries.start.max(block.saturating_sub(self.past))..queries.end {
            let count = LANES.min(self.past + query + 1 - block);
            // SAFETY: the query is a new position, of `d_head` numbers, which take `WIDTH` registers. The scores have a
            // row of `padded` for each of these queries, in which whole registers fit from `block` on, since it is below
            // `total`.
            unsafe {
                let query_row = row::<S, WIDTH>(simd, self.row(query, 0), d_head);
                let products = products(simd, &query_row, keys, count);
                let place = self.scores.add((query - queries.start) * padded + block);
                simd.store_first(place, LANES, simd.mul(products, simd.splat(scale)));
            }
        }
    }

    /// Replaces scores by powers of e, and gives the inverse of their sum for each query; their products are the
    /// attention weights, which are written if somebody asks for them.
    #[inline(always)]
    fn softmax<S: Simd>(&mut self, simd: S, queries: Range<usize>) -> [f32; QUERIES] {
        let Run { total, padded, .. } = self.run;
        let mut inverse_sums = [0.0; QUERIES];
        for query in queries.clone() {
            let seen = self.past + query + 1;
            // SAFETY: the scores have a row of `padded` numbers for each of these queries, of which `seen`
            // have been written; nothing else borrows them.
            let scores =
                unsafe { slice::from_raw_parts_mut(self.scores.add((query - queries.start) * padded), seen) };
            let inverse_sum = 1.0 / powers(simd, scores);
            inverse_sums[query - queries.start] = inverse_sum;
            if !self.weights.is_null() {
                // SAFETY: the weights of this head are `[new, total]`, and the query is below `new`; nothing else
                // borrows them.
                let weights = unsafe { slice::from_raw_parts_mut(self.weights.add(query * total), total) };
                weights.iter_mut().zip(&*scores).for_each(|(weight, power)| *weight = power * inverse_sum);
                weights[seen..].fill(0.0);
            }
        }
        inverse_sums
    }

    /// Writes the means of the values, weighted by the powers.
    #[inline(always)]
    fn write_output<S: Simd, const WIDTH: usize>(
        &mut self,
        simd: S,
        queries: Range<usize>,
        inverse_sums: &[f32; QUERIES],
    ) {
        let Run { heads, d_head, .. } = self.run;
        let mut sums = [[simd.splat(0.0); WIDTH]; QUERIES];
        for block in (0..self.past + queries.end).step_by(LANES) {
            let count = LANES.min(self.past + queries.end - block);
            // SAFETY: values have been written up to the position of the last query; they take `WIDTH` registers each.
            let values = unsafe { Cached::new(self.values.add(block * d_head), count, d_head) };
            if queries.len() == 1 {
                self.add_values::<S, WIDTH>(simd, queries.clone(), block, &values, &mut sums);
            } else {
                let values = Unpacked::<S, WIDTH>::new(simd, values);
                self.add_values::<S, WIDTH>(simd, queries.clone(), block, &values, &mut sums);
            }
        }
        for query in queries.clone() {
            let inverse_sum = simd.splat(inverse_sums[query - queries.start]);
            for (part, sum) in sums[query - queries.start].iter().enumerate() {
                let count = LANES.min(d_head - part * LANES);
                // SAFETY: the output is `[new, heads, d_head]`, the query is below `new`, and all registers but the
                // last are full, so that `count` numbers are left of `d_head`.
                unsafe {
                    let output = self.output.add((query * heads + self.head) * d_head + part * LANES);
                    simd.store_first(output, count, simd.mul(*sum, inverse_sum));
                }
            }
        }
    }

    /// Adds the values of a block to the sums of the queries that see them.
    #[inline(always)]
    fn add_values<S: Simd, const WIDTH: usize>(
        &self,
        simd: S,
        queries: Range<usize>,
        block: usize,
        values: &impl Block<S, WIDTH>,
        sums: &mut [[S::Floats; WIDTH]; QUERIES],
    ) {
        for query in queries.start.max(block.saturating_sub(self.past))..queries.end {
            let count = LANES.min(self.past + query + 1 - block);
            let row = query - queries.start;
            // SAFETY: the powers in the query's row of the scores reach to its position; nothing writes them here.
            let weights =
                unsafe { slice::from_raw_parts(self.scores.add(row * self.run.padded + block), count) };
            add_block(simd, &mut sums[row], weights, values);
        }
    }
}

/// Numbers that half precision has no room for become the largest that it has. NaN stays what it is: of two operands the
/// second is taken if one is NaN.
#[inline(always)]
fn within_f16<S: Simd>(simd: S, numbers: S::Floats) -> S::Floats {
    simd.max(simd.splat(-MAX_F16), simd.min(simd.splat(MAX_F16), numbers))
}

/// Asks for `count` numbers, which are needed soon: after the weights of all layers, none is in a cache.
#[inline(always)]
fn prefetch(start: *const F16, count: usize) {
    const LINE: usize = 64 / size_of::<F16>();
    (0..count).step_by(LINE).for_each(|i| prefetch_soon(start.wrapping_add(i)));
}
