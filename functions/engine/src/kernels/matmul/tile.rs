//! The kernel: rows of activations times strips of weights.

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_add_epi32, _mm512_and_si512, _mm512_cvtepi32_ps,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_load_ps, _mm512_load_si512, _mm512_mask_storeu_ps,
    _mm512_mul_ps, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_si512,
    _mm512_srli_epi16,
};
use std::marker::PhantomData;

use super::super::math::{LANES, first};
use super::activations::Activations;
use super::weights::{LINES, Line, STRIP, Weights};

/// Rows of a tile: their sums, whole and of a block, fill three quarters of the registers.
const MAX_ROWS: usize = 6;
/// How far ahead weights are asked for, in lines.
const PREFETCH: usize = 32;

/// A matrix that tasks write at the same time, each of them other columns: `[rows, columns]`.
pub(super) struct Output<'a> {
    start: *mut f32,
    rows: usize,
    columns: usize,
    numbers: PhantomData<&'a mut f32>,
}

// SAFETY: whoever reads or writes promises that nobody else writes there, or reads what is written: see the methods.
unsafe impl Sync for Output<'_> {}

impl Output<'_> {
    /// # Safety
    /// `start` must be valid for reads and writes of `rows * columns` numbers for as long as this is used.
    pub(super) unsafe fn new(start: *mut f32, rows: usize, columns: usize) -> Self {
        Self { start, rows, columns, numbers: PhantomData }
    }

    /// What is in it.
    ///
    /// # Safety
    /// All of it must have been written, and nobody may write to it meanwhile.
    pub(super) unsafe fn numbers(&self) -> &[f32] {
        // SAFETY: as the callers of this and of `new` promise.
        unsafe { std::slice::from_raw_parts(self.start, self.rows * self.columns) }
    }

    /// A strip of a row.
    ///
    /// # Safety
    /// It must have been written, and nobody may write to it meanwhile.
    pub(super) unsafe fn strip(&self, row: usize, strip: usize) -> &[f32] {
        let column = strip * STRIP;
        assert!(row < self.rows && column < self.columns);
        let length = STRIP.min(self.columns - column);
        // SAFETY: as the callers of this and of `new` promise.
        unsafe { std::slice::from_raw_parts(self.start.add(row * self.columns + column), length) }
    }

    /// Writes one number.
    ///
    /// # Safety
    /// No other task may read or write it at the same time.
    pub(super) unsafe fn set(&self, row: usize, column: usize, number: f32) {
        assert!(row < self.rows && column < self.columns);
        // SAFETY: it lies within the output, and is the caller's alone.
        unsafe { self.start.add(row * self.columns + column).write(number) };
    }

    /// Writes the sums of a strip in one row; what is beyond the columns is left out.
    #[target_feature(enable = "avx512f")]
    fn store(&self, row: usize, strip: usize, sums: [__m512; LINES]) {
        assert!(row < self.rows);
        for (line, sums) in sums.into_iter().enumerate() {
            let column = strip * STRIP + line * LANES;
            if column < self.columns {
                let mask = first(self.columns - column);
                // SAFETY: the row and those columns lie within the output.
                unsafe { _mm512_mask_storeu_ps(self.start.add(row * self.columns + column), mask, sums) };
            }
        }
    }
}

/// All rows times the columns of a strip, plus biases.
///
/// Of a row, the products of a block are summed up as integers, and the sums of the blocks as floats in
/// their order: the result is the same in every tile.
///
/// # Safety
/// No other task may read or write this strip of `output` at the same time.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn multiply(
    weights: &Weights,
    strip: usize,
    activations: &Activations,
    output: &Output<'_>,
) {
    let format = weights.format;
    let (blocks, padded) = (format.blocks(), format.padded());
    assert!(strip < format.strips());
    assert!(activations.integers.len() >= output.rows * padded);
    assert!(activations.scales.len() >= output.rows * blocks);
    assert!(activations.offsets.len() >= output.rows * blocks);
    let mut row = 0;
    while row < output.rows {
        let left = output.rows - row;
        let rows = left.div_ceil(left.div_ceil(MAX_ROWS)); // as even as can be: 4 and 3 rather than 6 and 1
        // SAFETY: the strip exists, and so do activations of these rows.
        unsafe {
            match (format.bits, rows) {
                (4, 1) => tile::<4, 1>(weights, strip, activations, row, output),
                (4, 2) => tile::<4, 2>(weights, strip, activations, row, output),
                (4, 3) => tile::<4, 3>(weights, strip, activations, row, output),
                (4, 4) => tile::<4, 4>(weights, strip, activations, row, output),
                (4, 5) => tile::<4, 5>(weights, strip, activations, row, output),
                (4, _) => tile::<4, 6>(weights, strip, activations, row, output),
                (_, 1) => tile::<8, 1>(weights, strip, activations, row, output),
                (_, 2) => tile::<8, 2>(weights, strip, activations, row, output),
                (_, 3) => tile::<8, 3>(weights, strip, activations, row, output),
                (_, 4) => tile::<8, 4>(weights, strip, activations, row, output),
                (_, 5) => tile::<8, 5>(weights, strip, activations, row, output),
                (_, _) => tile::<8, 6>(weights, strip, activations, row, output),
            }
        }
        row += rows;
    }
}

/// `ROWS` rows from `first_row` times a strip of weights of `BITS` bits.
///
/// # Safety
/// The strip and activations of the rows must exist.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn tile<const BITS: usize, const ROWS: usize>(
    weights: &Weights,
    strip: usize,
    activations: &Activations,
    first_row: usize,
    output: &Output<'_>,
) {
    let (blocks, words) = (weights.format.blocks(), weights.format.words());
    let padded = weights.format.padded();
    let bias = &weights.bias[strip * LINES..][..LINES];
    let mut sums: [[__m512; LINES]; ROWS] = [std::array::from_fn(|line| floats(&bias[line])); ROWS];
    let lower_half = _mm512_set1_epi8(15);
    for block in 0..blocks {
        let mut partial = [[_mm512_setzero_si512(); LINES]; ROWS];
        // With few rows, one sum after the other would wait for the multiplier: upper halves have theirs.
        let mut upper_partial = [[_mm512_setzero_si512(); LINES]; ROWS];
        for (row, partial) in partial.iter_mut().enumerate() {
            *partial = [_mm512_set1_epi32(activations.offsets[(first_row + row) * blocks + block]); LINES];
        }
        let lines = &weights.lines[(strip * blocks + block) * words * LINES..][..words * LINES];
        let (lines, _) = lines.as_chunks::<LINES>();
        for (word, lines) in lines.iter().enumerate() {
            let mut lower = [_mm512_setzero_si512(); LINES];
            let mut upper = [_mm512_setzero_si512(); LINES];
            for line in 0..LINES {
                let ahead = lines.as_ptr().wrapping_add(PREFETCH + line);
                _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
                let loaded = integers(&lines[line]);
                if BITS == 4 {
                    lower[line] = _mm512_and_si512(loaded, lower_half);
                    upper[line] = _mm512_and_si512(_mm512_srli_epi16::<4>(loaded), lower_half);
                } else {
                    lower[line] = loaded;
                }
            }
            let place = (block * words + word) * (32 / BITS);
            for row in 0..ROWS {
                // SAFETY: the caller vouches for the row, and `place` is one of its groups of four.
                let at = unsafe { activations.integers.as_ptr().add((first_row + row) * padded + place) };
                // SAFETY: as above.
                let four = _mm512_set1_epi32(unsafe { at.cast::<i32>().read_unaligned() });
                for line in 0..LINES {
                    partial[row][line] = _mm512_dpbusd_epi32(partial[row][line], lower[line], four);
                }
                if BITS == 4 {
                    // SAFETY: as above; a word has eight weights of 4 bits.
                    let four = _mm512_set1_epi32(unsafe { at.add(4).cast::<i32>().read_unaligned() });
                    let partial = if ROWS <= 2 { &mut upper_partial[row] } else { &mut partial[row] };
                    for line in 0..LINES {
                        partial[line] = _mm512_dpbusd_epi32(partial[line], upper[line], four);
                    }
                }
            }
        }
        let scales = &weights.scales[(strip * blocks + block) * LINES..][..LINES];
        for line in 0..LINES {
            let scale = floats(&scales[line]);
            for row in 0..ROWS {
                let of_row = _mm512_set1_ps(activations.scales[(first_row + row) * blocks + block]);
                let sum = _mm512_add_epi32(partial[row][line], upper_partial[row][line]);
                let scale = _mm512_mul_ps(scale, of_row);
                sums[row][line] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, sums[row][line]);
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        output.store(first_row + row, strip, sums);
    }
}

#[target_feature(enable = "avx512f")]
fn floats(line: &Line<f32>) -> __m512 {
    // SAFETY: a line is 64 aligned bytes.
    unsafe { _mm512_load_ps(line.0.as_ptr()) }
}

#[target_feature(enable = "avx512f")]
fn integers(line: &Line<u32>) -> __m512i {
    // SAFETY: a line is 64 aligned bytes.
    unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::matmul::memory::Arena;
    use crate::kernels::matmul::shortlist::Columns;
    use crate::kernels::matmul::weights::Format;

    /// The same sums, one number after the other, from the packed form.
    fn reference(format: Format, packed: &[u8], scales: &[f32], bias: &[f32], x: &[f32]) -> Vec<f32> {
        let Format { d_in, d_out, bits, block_size } = format;
        let weight = |column: usize, i: usize| {
            let byte = packed[(column * format.padded() + i) * bits / 8];
            let bits = if bits == 8 { byte } else { byte >> (4 * (i % 2)) & 15 };
            i32::from(bits) - format.zero_point()
        };
        let mut products = Vec::new();
        for x in x.chunks(d_in) {
            for column in 0..d_out {
                let mut sum = bias[column];
                for (block, x) in x.chunks(block_size).enumerate() {
                    let largest = x.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
                    let scale = largest / 127.0;
                    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
                    let products = x.iter().enumerate().map(|(i, x)| {
                        (x * inverse).round_ties_even() as i32 * weight(column, block * block_size + i)
                    });
                    let integer: i32 = products.sum();
                    let scale = scales[column * format.blocks() + block] * scale;
                    sum = (integer as f32).mul_add(scale, sum);
                }
                products.push(sum);
            }
        }
        products
    }

    fn product(weights: &Weights, x: &[f32]) -> Vec<f32> {
        let Format { d_in, d_out, .. } = weights.format;
        let rows = x.len() / d_in;
        let mut products = vec![f32::NAN; rows * d_out];
        let mut activations = Activations::default();
        // SAFETY: the callers have asked for the instructions; the output has that size, and strips
        // come one after the other.
        unsafe {
            activations.round(x, weights.format);
            let output = Output::new(products.as_mut_ptr(), rows, d_out);
            for strip in 0..weights.format.strips() {
                multiply(weights, strip, &activations, &output);
            }
        }
        products
    }

    /// The same by the shortlist's way.
    fn column_by_column(weights: &Weights, packed: &[u8], scales: &[f32], x: &[f32]) -> Vec<f32> {
        let Format { d_in, d_out, .. } = weights.format;
        let columns = Columns { format: weights.format, packed, scales, bias: &weights.bias };
        let mut activations = Activations::default();
        // SAFETY: the callers have asked for the instructions.
        unsafe {
            activations.round(x, weights.format);
            let places = (0..x.len() / d_in).flat_map(|row| (0..d_out).map(move |column| (row, column)));
            places.map(|(row, column)| columns.product(&activations, row, column)).collect()
        }
    }

    proptest! {
        /// Any shape, up to the last bit; and a row alone gives what it gives among others.
        #[test]
        fn equals_the_sums_one_after_the_other(
            d_in in 1_usize..200,
            d_out in 1_usize..80,
            rows in 1_usize..14,
            bits in prop::sample::select(vec![4_usize, 8]),
            block_size in prop::sample::select(vec![16_usize, 32, 64, 128]),
            seed: u64,
        ) {
            prop_assume!(crate::kernels::is_supported());
            let format = Format { d_in, d_out, bits, block_size };
            let mut state = seed | 1;
            let mut random = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            let packed: Vec<u8> = (0..d_out * format.padded() * bits / 8).map(|_| random() as u8).collect();
            let mut number = || (random() as i32 as f32) / i32::MAX as f32;
            let scales: Vec<f32> = (0..d_out * format.blocks()).map(|_| number()).collect();
            let bias: Vec<f32> = (0..d_out).map(|_| number()).collect();
            let x: Vec<f32> = (0..rows * d_in).map(|_| 3.0 * number()).collect();
            let weights = Weights::new(&Arena::default(), format, &packed, &scales, Some(&bias)).unwrap();
            let products = product(&weights, &x);
            prop_assert_eq!(&products, &reference(format, &packed, &scales, &bias, &x));
            if bits == 8 {
                prop_assert_eq!(&products, &column_by_column(&weights, &packed, &scales, &x));
            }
            for (row, x) in x.chunks(d_in).enumerate() {
                prop_assert_eq!(&products[row * d_out..][..d_out], &product(&weights, x));
            }
        }
    }

    /// By hand: weights 1, -1, 7, 0 with scale 0.5; activations 127, 127, 127, 0 round to themselves.
    /// 0.5 * (127 - 127 + 7 * 127) + 1 = 445.5.
    #[test]
    fn multiplies_by_hand() {
        if !crate::kernels::is_supported() {
            return;
        }
        let format = Format { d_in: 4, d_out: 1, bits: 4, block_size: 16 };
        let packed = [0x79, 0x8F, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88];
        let weights = Weights::new(&Arena::default(), format, &packed, &[0.5], Some(&[1.0])).unwrap();
        assert_eq!(product(&weights, &[127.0, 127.0, 127.0, 0.0]), [445.5]);
        assert!(product(&weights, &[f32::NAN, 0.0, 0.0, 0.0])[0].is_nan());
        assert!(!product(&weights, &[f32::INFINITY, 0.0, 0.0, 0.0])[0].is_finite());
    }
}
