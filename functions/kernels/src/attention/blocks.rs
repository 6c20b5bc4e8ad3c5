//! Attention over 16 keys or values at a time: products, softmax and weighted sums.

use crate::exp::exp;
use crate::simd::{F16, LANES, Simd};

/// Products of a query with `count` keys, from 1 to 16, in the first lanes; the others are not defined.
///
/// # Safety
/// `query` must be valid for reads of `d_head` numbers, and `keys` of `count * d_head`; `WIDTH` must be the number of
/// registers that `d_head` numbers take.
#[inline(always)]
pub(super) unsafe fn products<S: Simd, const WIDTH: usize>(
    simd: S,
    query: *const f32,
    keys: *const F16,
    count: usize,
    d_head: usize,
) -> S::Floats {
    // SAFETY: the caller vouches for `d_head` numbers of the query, and for `WIDTH`.
    let query = unsafe { row::<S, WIDTH>(simd, query, d_head) };
    let mut sums = [simd.splat(0.0); 4];
    for (quarter, sums) in sums.iter_mut().enumerate() {
        let mut products = [simd.splat(0.0); 4];
        for (lane, product) in products.iter_mut().enumerate() {
            // All lanes have a key, so that all products are under way at once.
            let position = (quarter * 4 + lane).min(count - 1);
            // SAFETY: `position` is below `count`, for which the caller vouches, as for `WIDTH`.
            let key = unsafe { cached::<S, WIDTH>(simd, keys.add(position * d_head), d_head) };
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
    let greatest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (greatest, zeros) = (simd.splat(greatest), simd.splat(0.0));
    let mut sum = zeros;
    for scores in scores.chunks_mut(LANES) {
        let power = exp(simd, simd.sub(simd.load(scores), greatest));
        sum = simd.add(sum, simd.first_of(scores.len(), power, zeros));
        simd.store(scores, power);
    }
    simd.sum(sum)
}

/// Adds `count` values to `sums`, each times its weight.
///
/// # Safety
/// `weights` must be valid for reads of `count` numbers, and `values` of `count * d_head`; `WIDTH` must be the number of
/// registers that `d_head` numbers take.
#[inline(always)]
pub(super) unsafe fn add_block<S: Simd, const WIDTH: usize>(
    simd: S,
    sums: &mut [S::Floats; WIDTH],
    weights: *const f32,
    values: *const F16,
    count: usize,
    d_head: usize,
) {
    // Two sums, since one alone would wait for each addition.
    let (mut even, mut odd) = (*sums, [simd.splat(0.0); WIDTH]);
    let mut position = 0;
    while position < count {
        // SAFETY: `position` is below `count`, for which the caller vouches, as for `WIDTH`.
        unsafe { add_value(simd, &mut even, weights, values, position, d_head) };
        if position + 1 < count {
            // SAFETY: `position + 1` is below `count`, for which the caller vouches, as for `WIDTH`.
            unsafe { add_value(simd, &mut odd, weights, values, position + 1, d_head) };
        }
        position += 2;
    }
    for part in 0..WIDTH {
        sums[part] = simd.add(even[part], odd[part]);
    }
}

/// Adds the value at `position`, times its weight.
///
/// # Safety
/// `weights` must be valid for reads of `position + 1` numbers, and `values` of `(position + 1) * d_head`; `WIDTH` must be
/// the number of registers that `d_head` numbers take.
#[inline(always)]
unsafe fn add_value<S: Simd, const WIDTH: usize>(
    simd: S,
    sums: &mut [S::Floats; WIDTH],
    weights: *const f32,
    values: *const F16,
    position: usize,
    d_head: usize,
) {
    // SAFETY: the caller vouches for a weight and a value at `position`, and for `WIDTH`.
    let (weight, value) = unsafe {
        (simd.splat(*weights.add(position)), cached::<S, WIDTH>(simd, values.add(position * d_head), d_head))
    };
    for part in 0..WIDTH {
        sums[part] = simd.mul_add(weight, value[part], sums[part]);
    }
}

/// `d_head` numbers, filled up with zeros.
///
/// # Safety
/// `start` must be valid for reads of `d_head` numbers, and `WIDTH` the number of registers that they take.
#[inline(always)]
unsafe fn row<S: Simd, const WIDTH: usize>(simd: S, start: *const f32, d_head: usize) -> [S::Floats; WIDTH] {
    let mut row = [simd.splat(0.0); WIDTH];
    for (part, numbers) in row.iter_mut().enumerate() {
        let count = LANES.min(d_head - part * LANES);
        // SAFETY: all registers but the last are full, so that `count` numbers are left of `d_head`.
        *numbers = unsafe { simd.load_first(start.add(part * LANES), count) };
    }
    row
}

/// `d_head` numbers of a cache, filled up with zeros.
///
/// # Safety
/// `start` must be valid for reads of `d_head` numbers, and `WIDTH` the number of registers that they take.
#[inline(always)]
unsafe fn cached<S: Simd, const WIDTH: usize>(
    simd: S,
    start: *const F16,
    d_head: usize,
) -> [S::Floats; WIDTH] {
    let mut row = [simd.splat(0.0); WIDTH];
    for (part, numbers) in row.iter_mut().enumerate() {
        let count = LANES.min(d_head - part * LANES);
        // SAFETY: all registers but the last are full, so that `count` numbers are left of `d_head`.
        *numbers = unsafe { simd.load_f16(start.add(part * LANES), count) };
    }
    row
}
