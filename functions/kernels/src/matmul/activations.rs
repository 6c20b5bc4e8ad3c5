//! Quantization of activations: each row by itself, each block of it with a scale.
//!
//! Beside int4 weights (w4) they have 8 bits. Beside int8 weights (w8), whose errors are so small that those of 8
//! bits would add to them, they have 16.

use super::format::Format;
use crate::simd::{LANES, Planes, Simd, TILE_ROWS, TILE_WORDS};
use crate::thread_pool::ThreadPool;

/// Rows of a task: less is not worth handing over.
const TASK_ROWS: usize = 4;

/// Rows from which on AMX's tiles of 16, though partly empty, are faster than registers.
const TILES_FROM: usize = 7;

/// Memory for rows of activations, quantized to `x ≈ scale * integer`. Products that are computed one after the other
/// can share it.
#[derive(Default)]
pub struct Activations {
    /// `[rows, blocks, words]`: the factors of a word of weights, see [`Simd::bytes`] and [`Simd::shorts`].
    pub(crate) groups: Vec<[i32; 2]>,
    /// `[rows / TILE_ROWS, blocks, words / TILE_WORDS]`: the same for a processor that multiplies many rows at once;
    /// empty if it is not to.
    pub(crate) planes: Vec<Planes>,
    /// `[rows, blocks]`
    pub(crate) scales: Vec<f32>,
    /// `[rows, blocks]`: the part of a sum that the zero point of the weights adds, negated.
    pub(crate) offsets: Vec<i32>,
}

impl Activations {
    /// Quantizes `rows`, `[rows, d_in]`, for weights of this format; earlier rows are forgotten.
    pub(crate) fn quantize<S: Simd>(&mut self, simd: S, pool: &ThreadPool, rows: &[f32], format: Format) {
        let Format { d_in, .. } = format;
        let (count, blocks, words) = (rows.len() / d_in, format.blocks(), format.words());
        self.groups.resize(count * blocks * words, [0; 2]);
        self.scales.resize(count * blocks, 0.0);
        self.offsets.resize(count * blocks, 0);
        let groups = self.groups.chunks_mut(TASK_ROWS * blocks * words);
        let scales =
            self.scales.chunks_mut(TASK_ROWS * blocks).zip(self.offsets.chunks_mut(TASK_ROWS * blocks));
        let tasks = rows.chunks(TASK_ROWS * d_in).zip(groups).zip(scales);
        pool.run_each(tasks, |((rows, groups), (scales, offsets))| {
            simd.vectorize(
                #[inline(always)]
                || round_rows(simd, rows, format, groups, scales, offsets),
            );
        });
        let fills_tiles = format.bits == 8 && words.is_multiple_of(TILE_WORDS) && count >= TILES_FROM;
        if simd.amx().is_some() && fills_tiles {
            simd.vectorize(
                #[inline(always)]
                || self.take_apart(blocks * words),
            );
        } else {
            self.planes.clear();
        }
    }

    /// Makes the planes of groups, `words` of them in a row.
    #[inline(always)]
    fn take_apart(&mut self, words: usize) {
        let tiles = words / TILE_WORDS;
        let rows = self.groups.len() / words;
        self.planes.resize(rows.div_ceil(TILE_ROWS) * tiles, Planes::ZEROS);
        for (row, groups) in self.groups.chunks_exact(words).enumerate() {
            let planes = &mut self.planes[row / TILE_ROWS * tiles..][..tiles];
            for (plane, groups) in planes.iter_mut().zip(groups.chunks_exact(TILE_WORDS)) {
                let row = row % TILE_ROWS;
                for ((high, low), &[even, odd]) in
                    plane.high[row].iter_mut().zip(&mut plane.low[row]).zip(groups)
                {
                    // Two activations of even places, and two of odd ones.
                    const LOWER: u32 = 0x00FF_00FF;
                    let (even, odd) = (even.cast_unsigned(), odd.cast_unsigned());
                    *high = (even >> 8 & LOWER | odd & !LOWER).to_le_bytes();
                    *low = (even & LOWER | (odd & LOWER) << 8).to_le_bytes();
                }
            }
        }
    }
}

/// Rounds rows, block by block.
#[inline(always)]
fn round_rows<S: Simd>(
    simd: S,
    rows: &[f32],
    format: Format,
    groups: &mut [[i32; 2]],
    scales: &mut [f32],
    offsets: &mut [i32],
) {
    let Format { d_in, block_size, .. } = format;
    let blocks = rows.chunks_exact(d_in).flat_map(|row| row.chunks(block_size));
    let rounded = groups.chunks_exact_mut(format.words()).zip(scales.iter_mut().zip(offsets));
    for (values, (groups, (scale, offset))) in blocks.zip(rounded) {
        let sum;
        (*scale, sum) = round_block(simd, values, format, groups);
        *offset = sum.wrapping_mul(-format.zero_point());
    }
}

/// Rounds a block, filled up with zeros; gives its scale and the sum of its integers.
///
/// A number that is not finite makes the scale so, and with it the results.
#[inline(always)]
fn round_block<S: Simd>(simd: S, values: &[f32], format: Format, groups: &mut [[i32; 2]]) -> (f32, i32) {
    // As integers, the bits of positive numbers have the numbers' order, and no NaN is lost.
    let mut largest = simd.splat_integer(0);
    for values in values.chunks(LANES) {
        largest = simd.max_magnitudes(largest, simd.magnitudes(simd.load(values)));
    }
    let scale = f32::from_bits(simd.greatest_magnitude(largest)) / format.largest_activation();
    let inverse = simd.splat(if scale == 0.0 { 0.0 } else { 1.0 / scale });
    let mut sum = simd.splat_integer(0);
    for start in (0..format.block_size).step_by(LANES) {
        let values = values.get(start..).unwrap_or_default();
        let rounded = simd.to_integers(simd.mul(simd.load(values), inverse));
        sum = simd.add_integers(sum, rounded);
        // 16 activations are two words of weights of 4 bits, and four of 8.
        if format.bits == 4 {
            groups[start / 8..][..2].copy_from_slice(&simd.bytes(rounded));
        } else {
            groups[start / 4..][..4].copy_from_slice(&simd.shorts(rounded));
        }
    }
    (scale, simd.sum_of_integers(sum))
}
