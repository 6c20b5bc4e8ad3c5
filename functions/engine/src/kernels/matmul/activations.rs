//! Activations, rounded to 8 bits: each row by itself, each block of it with a scale.

use std::arch::x86_64::{
    _mm_setr_epi8, _mm_shuffle_epi8, _mm_storeu_si128, _mm512_abs_ps, _mm512_add_epi32, _mm512_castps_si512,
    _mm512_cvtps_epi32, _mm512_cvtsepi32_epi8, _mm512_max_epu32, _mm512_mul_ps, _mm512_reduce_add_epi32,
    _mm512_reduce_max_epu32, _mm512_set1_ps, _mm512_setzero_si512,
};

use super::super::math::{LANES, load};
use super::weights::Format;

/// The largest integer.
const LARGEST: f32 = 127.0;

/// Rows of activations, rounded: `x ≈ scale * integer`.
#[derive(Default)]
pub(super) struct Activations {
    /// `[rows, padded]`. For weights of 4 bits, of every 8 those at even places come first: a byte of
    /// weights has one of each, and the lower halves of four bytes are multiplied before the upper ones.
    pub(super) integers: Vec<i8>,
    /// `[rows, blocks]`
    pub(super) scales: Vec<f32>,
    /// `[rows, blocks]`: what the zero point of the weights adds to the sum of a block, negated.
    pub(super) offsets: Vec<i32>,
}

impl Activations {
    /// Rounds `rows`, `[rows, d_in]`; what was there before is forgotten.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    pub(super) fn round(&mut self, rows: &[f32], format: Format) {
        let Format { d_in, bits, block_size, .. } = format;
        let (count, padded, blocks) = (rows.len() / d_in, format.padded(), format.blocks());
        // Room for whole registers behind the last block.
        self.integers.resize(count * padded + LANES, 0);
        self.scales.resize(count * blocks, 0.0);
        self.offsets.resize(count * blocks, 0);
        for (row, values) in rows.chunks_exact(d_in).enumerate() {
            for (block, values) in values.chunks(block_size).enumerate() {
                let integers = &mut self.integers[row * padded + block * block_size..];
                let (scale, sum) = round_block(values, bits == 4, block_size, integers);
                self.scales[row * blocks + block] = scale;
                self.offsets[row * blocks + block] = sum.wrapping_mul(-format.zero_point());
            }
        }
    }
}

/// Rounds a block, filled up with zeros to `block_size`; gives its scale and the sum of its integers.
///
/// What is not finite makes the scale so, and with it the results.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn round_block(values: &[f32], evens_first: bool, block_size: usize, integers: &mut [i8]) -> (f32, i32) {
    // As integers, the bits of positive numbers have the numbers' order, and no NaN is lost.
    let mut largest = _mm512_setzero_si512();
    for values in values.chunks(LANES) {
        largest = _mm512_max_epu32(largest, _mm512_castps_si512(_mm512_abs_ps(load(values))));
    }
    let scale = f32::from_bits(_mm512_reduce_max_epu32(largest)) / LARGEST;
    let inverse = _mm512_set1_ps(if scale == 0.0 { 0.0 } else { 1.0 / scale });
    let order = if evens_first {
        _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15)
    } else {
        _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    };
    let mut sum = _mm512_setzero_si512();
    for start in (0..block_size).step_by(LANES) {
        let scaled = _mm512_mul_ps(load(values.get(start..).unwrap_or_default()), inverse);
        let rounded = _mm512_cvtps_epi32(scaled);
        sum = _mm512_add_epi32(sum, rounded);
        let bytes = _mm_shuffle_epi8(_mm512_cvtsepi32_epi8(rounded), order);
        let target = &mut integers[start..start + LANES];
        // SAFETY: `target` has room for the 16 bytes.
        unsafe { _mm_storeu_si128(target.as_mut_ptr().cast(), bytes) };
    }
    (scale, _mm512_reduce_add_epi32(sum))
}
