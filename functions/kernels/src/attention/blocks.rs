//! Attention over 16 keys or values at a time: products, softmax and weighted sums.

use crate::exp::exp;
use crate::simd::{F16, LANES, Simd};

/// Keys or values of some positions, 16 at most.
pub(super) trait Block<S: Simd, const WIDTH: usize> {
    /// The row at a position, which is one of the block.
    fn row(&self, simd: S, position: usize) -> [S::Floats; WIDTH];
}

/// A block in the cache.
#[derive(Clone, Copy)]
pub(super) struct Cached {
    start: *const F16,
    count: usize,
    d_head: usize,
}

impl Cached {
    /// # Safety
    /// `start` must be valid for reads of `count * d_head` numbers for as long as this lives, and `count` from 1 to 16;
    /// it is read with a `WIDTH` that is the number of registers that `d_head` numbers take.
    #[inline(always)]
    pub(super) unsafe fn new(start: *const F16, count: usize, d_head: usize) -> Self {
        Self { start, count, d_head }
    }
}

impl<S: Simd, const WIDTH: usize> Block<S, WIDTH> for Cached {
    #[inline(always)]
    fn row(&self, simd: S, position: usize) -> [S::Floats; WIDTH] {
        let Self { start, count, d_head } = *self;
        let position = position.min(count - 1);
        let mut row = [simd.splat(0.0); WIDTH];
        for (part, numbers) in row.iter_mut().enumerate() {
            let width = LANES.min(d_head - part * LANES);
            // SAFETY: `position` is below `count`, for which the maker vouched; all registers but the last are full, so
            // that `width` numbers are left of `d_head`.
            *numbers = unsafe { simd.load_f16(start.add(position * d_head + part * LANES), width) };
        }
        row
    }
}

/// A block as numbers of single precision: where many queries read it, it is unpacked once for all of them.
pub(super) struct Unpacked<S: Simd, const WIDTH: usize>([[S::Floats; WIDTH]; LANES]);

impl<S: Simd, const WIDTH: usize> Unpacked<S, WIDTH> {
    #[inline(always)]
    pub(super) fn new(simd: S, cached: Cached) -> Self {
        let mut rows = [[simd.splat(0.0); WIDTH]; LANES];
        for (position, row) in rows.iter_mut().take(cached.count).enumerate() {
            *row = cached.row(simd, position);
        }
        Self(rows)
    }
}

impl<S: Simd, const WIDTH: usize> Block<S, WIDTH> for Unpacked<S, WIDTH> {
    #[inline(always)]
    fn row(&self, _: S, position: usize) -> [S::Floats; WIDTH] {
        self.0[position]
    }
}

/// Products of a query with the first `count` keys, from 1 to 16, in the first lanes; the others are not defined.
#[inline(always)]
pub(super) fn products<S: Simd, const WIDTH: usize>(
    simd: S,
    query: &[S::Floats; WIDTH],
    keys: &impl Block<S, WIDTH>,
    count: usize,
) -> S::Floats {
    let mut sums = [simd.splat(0.0); 4];
    for (quarter, sums) in sums.iter_mut().enumerate() {
        let mut products = [simd.splat(0.0); 4];
        for (lane, product) in products.iter_mut().enumerate() {
            // All lanes have a key, so that all products are under way at once.
            let key = keys.row(simd, (quarter * 4 + lane).min(count - 1));
            for part in 0..WIDTH {
                *product = simd.mul_add(query[part], key[part], *product);
            }
        }
        *sums = simd.sums_of_quarters(products);
    }
    simd.sums_across_quarters(sums)
}

/// Replaces scores by powers of e, the greatest by 1; gives their sum.
#[inline(always)]
pub(super) fn powers<S: Simd>(simd: S, scores: &mut [f32]) -> f32 {
    let least = simd.splat(f32::NEG_INFINITY);
    let mut greatest = least;
    for scores in scores.chunks(LANES) {
        // What is not a number is passed over here; its power is none either.
        greatest = simd.max(simd.first_of(scores.len(), simd.load(scores), least), greatest);
    }
    let (greatest, zeros) = (simd.splat(simd.greatest(greatest)), simd.splat(0.0));
    let mut sum = zeros;
    for scores in scores.chunks_mut(LANES) {
        let power = exp(simd, simd.sub(simd.load(scores), greatest));
        sum = simd.add(sum, simd.first_of(scores.len(), power, zeros));
        simd.store(scores, power);
    }
    simd.sum(sum)
}

/// Adds the values that have a weight to `sums`, each times its weight.
#[inline(always)]
pub(super) fn add_block<S: Simd, const WIDTH: usize>(
    simd: S,
    sums: &mut [S::Floats; WIDTH],
    weights: &[f32],
    values: &impl Block<S, WIDTH>,
) {
    // Two sums, since one alone would wait for each addition.
    let (mut even, mut odd) = (*sums, [simd.splat(0.0); WIDTH]);
    let mut position = 0;
    while position < weights.len() {
        add_value(simd, &mut even, weights[position], values.row(simd, position));
        if let Some(&weight) = weights.get(position + 1) {
            add_value(simd, &mut odd, weight, values.row(simd, position + 1));
        }
        position += 2;
    }
    for part in 0..WIDTH {
        sums[part] = simd.add(even[part], odd[part]);
    }
}

/// Adds a value times its weight.
#[inline(always)]
fn add_value<S: Simd, const WIDTH: usize>(
    simd: S,
    sums: &mut [S::Floats; WIDTH],
    weight: f32,
    value: [S::Floats; WIDTH],
) {
    let weight = simd.splat(weight);
    for part in 0..WIDTH {
        sums[part] = simd.mul_add(weight, value[part], sums[part]);
    }
}

/// `d_head` numbers, filled up with zeros.
///
/// # Safety
/// `start` must be valid for reads of `d_head` numbers, and `WIDTH` the number of registers that they take.
#[inline(always)]
pub(super) unsafe fn row<S: Simd, const WIDTH: usize>(
    simd: S,
    start: *const f32,
    d_head: usize,
) -> [S::Floats; WIDTH] {
    let mut row = [simd.splat(0.0); WIDTH];
    for (part, numbers) in row.iter_mut().enumerate() {
        let count = LANES.min(d_head - part * LANES);
        // SAFETY: all registers but the last are full, so that `count` numbers are left of `d_head`.
        *numbers = unsafe { simd.load_first(start.add(part * LANES), count) };
    }
    row
}
