//! The kernel: rows of activations times strips of weights.

use std::marker::PhantomData;

use super::super::simd::{
    Amx, LANES, Line, MAX_LINES, Simd, Sums, TILE_LINES, TILE_ROWS, TILE_WORDS, prefetch,
};
use super::activations::Activations;
use super::weights::{STRIP, Weights};

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

    /// Writes the sums of a line of columns in one row; what is beyond the columns is left out.
    ///
    /// # Safety
    /// No other task may read or write them at the same time.
    #[inline(always)]
    unsafe fn store<S: Simd>(&self, simd: S, row: usize, line: usize, sums: S::Floats) {
        assert!(row < self.rows);
        let column = line * LANES;
        if column < self.columns {
            let count = LANES.min(self.columns - column);
            // SAFETY: the row and those columns lie within the output, and are the caller's alone.
            unsafe { simd.store_first(self.start.add(row * self.columns + column), count, sums) };
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
pub(super) unsafe fn multiply<S: Simd>(
    simd: S,
    weights: &Weights,
    strip: usize,
    activations: &Activations,
    output: &Output<'_>,
) {
    let format = weights.format;
    let (blocks, words) = (format.blocks(), format.words());
    assert!(strip < format.strips());
    assert!(activations.groups.len() >= output.rows * blocks * words);
    assert!(activations.scales.len() >= output.rows * blocks);
    assert!(activations.offsets.len() >= output.rows * blocks);
    if let (Some(amx), false) = (simd.amx(), activations.planes.is_empty()) {
        // SAFETY: as the caller promises.
        return unsafe { multiply_in_tiles(simd, amx, weights, strip, activations, output) };
    }
    let panels = MAX_LINES / S::LINES;
    for panel in strip * panels..(strip + 1) * panels {
        let mut row = 0;
        while row < output.rows {
            let left = output.rows - row;
            let rows = left.div_ceil(left.div_ceil(S::ROWS)); // as even as can be: 4 and 3 rather than 6 and 1
            let place = Place { panel, row };
            // SAFETY: the panel exists, and so do activations of these rows.
            unsafe {
                match (format.bits, S::LINES) {
                    (4, 1) => tile_of_rows::<S, 4, 1>(simd, weights, activations, place, rows, output),
                    (4, _) => tile_of_rows::<S, 4, 2>(simd, weights, activations, place, rows, output),
                    (_, 1) => tile_of_rows::<S, 8, 1>(simd, weights, activations, place, rows, output),
                    (_, _) => tile_of_rows::<S, 8, 2>(simd, weights, activations, place, rows, output),
                }
            }
            row += rows;
        }
    }
}

/// [`multiply`] for many rows. The sums are the same, to the last bit: they are of integers until a block ends.
///
/// # Safety
/// As of [`multiply`].
unsafe fn multiply_in_tiles<S: Simd>(
    simd: S,
    amx: Amx,
    weights: &Weights,
    strip: usize,
    activations: &Activations,
    output: &Output<'_>,
) {
    const { assert!(TILE_LINES == MAX_LINES, "tiles are as wide as a strip") };
    assert!(S::LINES == TILE_LINES, "a strip is a panel");
    let (blocks, words) = (weights.format.blocks(), weights.format.words());
    let tiles_of_block = words / TILE_WORDS;
    let (lines, _) = weights.lines[strip * blocks * words * TILE_LINES..].as_chunks::<TILE_LINES>();
    let mut products = Sums::ZEROS;
    amx.with_tiles(|tiles| {
        for first_row in (0..output.rows).step_by(TILE_ROWS) {
            let rows = TILE_ROWS.min(output.rows - first_row);
            let planes = &activations.planes[first_row / TILE_ROWS * blocks * tiles_of_block..];
            simd.vectorize(
                #[inline(always)]
                || {
                    let bias = |line| simd.load_line(&weights.bias[strip * TILE_LINES + line]);
                    let mut sums = [[bias(0), bias(1)]; TILE_ROWS];
                    for block in 0..blocks {
                        let lines = &lines[block * words..][..words];
                        let planes = &planes[block * tiles_of_block..][..tiles_of_block];
                        tiles.multiply(lines, planes, &mut products);
                        for line in 0..TILE_LINES {
                            let scale =
                                simd.load_line(&weights.scales[(strip * blocks + block) * TILE_LINES + line]);
                            for (row, sums) in sums[..rows].iter_mut().enumerate() {
                                let of_row = (first_row + row) * blocks + block;
                                let (high, low) = (&products.high[line][row], &products.low[line][row]);
                                let total = simd.add_integers(
                                    simd.load_words(&together(high, low)),
                                    simd.splat_integer(activations.offsets[of_row]),
                                );
                                let scale = simd.mul(scale, simd.splat(activations.scales[of_row]));
                                sums[line] = simd.mul_add(simd.to_floats(total), scale, sums[line]);
                            }
                        }
                    }
                    for (row, sums) in sums[..rows].iter().enumerate() {
                        for (line, &sums) in sums.iter().enumerate() {
                            // SAFETY: as the caller promises.
                            unsafe { output.store(simd, first_row + row, strip * TILE_LINES + line, sums) };
                        }
                    }
                },
            );
        }
    });
}

/// Sums of products of upper bytes and of lower bytes, as one.
#[inline(always)]
fn together(high: &Line<u32>, low: &Line<u32>) -> Line<u32> {
    Line(std::array::from_fn(|lane| (high.0[lane] << 8).wrapping_add(low.0[lane])))
}

/// Where a tile begins.
#[derive(Clone, Copy)]
struct Place {
    panel: usize,
    row: usize,
}

/// So many rows, from 1 to 6, times a panel of weights.
///
/// # Safety
/// As of [`tile`].
#[inline(always)]
unsafe fn tile_of_rows<S: Simd, const BITS: usize, const LINES: usize>(
    simd: S,
    weights: &Weights,
    activations: &Activations,
    place: Place,
    rows: usize,
    output: &Output<'_>,
) {
    // SAFETY: as the caller promises.
    unsafe {
        match rows {
            1 => simd.vectorize(
                #[inline(always)]
                || tile::<S, BITS, LINES, 1>(simd, weights, activations, place, output),
            ),
            2 => simd.vectorize(
                #[inline(always)]
                || tile::<S, BITS, LINES, 2>(simd, weights, activations, place, output),
            ),
            3 => simd.vectorize(
                #[inline(always)]
                || tile::<S, BITS, LINES, 3>(simd, weights, activations, place, output),
            ),
            4 => simd.vectorize(
                #[inline(always)]
                || tile::<S, BITS, LINES, 4>(simd, weights, activations, place, output),
            ),
            5 => simd.vectorize(
                #[inline(always)]
                || tile::<S, BITS, LINES, 5>(simd, weights, activations, place, output),
            ),
            _ => simd.vectorize(
                #[inline(always)]
                || tile::<S, BITS, LINES, 6>(simd, weights, activations, place, output),
            ),
        }
    }
}

/// `ROWS` rows times a panel of `LINES` lines of weights of `BITS` bits.
///
/// # Safety
/// The panel and activations of the rows must exist, and no other task may read or write these columns of `output`
/// at the same time.
#[inline(always)]
unsafe fn tile<S: Simd, const BITS: usize, const LINES: usize, const ROWS: usize>(
    simd: S,
    weights: &Weights,
    activations: &Activations,
    Place { panel, row: first_row }: Place,
    output: &Output<'_>,
) {
    let (blocks, words) = (weights.format.blocks(), weights.format.words());
    let zeros = simd.splat_integer(0);
    let mut sums = [[simd.splat(0.0); LINES]; ROWS];
    for line in 0..LINES {
        let bias = simd.load_line(&weights.bias[panel * LINES + line]);
        for sums in &mut sums {
            sums[line] = bias;
        }
    }
    for block in 0..blocks {
        let mut totals = [[zeros; LINES]; ROWS];
        for (row, totals) in totals.iter_mut().enumerate() {
            *totals = [simd.splat_integer(activations.offsets[(first_row + row) * blocks + block]); LINES];
        }
        let first_word = block * words;
        let lines = &weights.lines[(panel * blocks * words + first_word) * LINES..][..words * LINES];
        let (lines, _) = lines.as_chunks::<LINES>();
        let words_of_part = if BITS == 4 { S::WORDS.min(words) } else { words };
        for (part, lines) in lines.chunks(words_of_part).enumerate() {
            let first_word = first_word + part * words_of_part;
            let mut partial = [[zeros; LINES]; ROWS];
            // With few rows, one sum after the other may wait for the multiplier: second halves have theirs.
            let mut second_partial = [[zeros; LINES]; ROWS];
            for (word, lines) in lines.iter().enumerate() {
                let mut weights = [[zeros; LINES]; 2];
                for line in 0..LINES {
                    prefetch(lines.as_ptr().wrapping_add(PREFETCH + line));
                    let [first, second] = simd.unpack::<BITS>(simd.load_words(&lines[line]));
                    weights[0][line] = first;
                    weights[1][line] = second;
                }
                for row in 0..ROWS {
                    let group = (first_row + row) * blocks * words + first_word + word;
                    // SAFETY: the caller vouches for the row, and it is one of its groups.
                    let [first, second] = unsafe { *activations.groups.get_unchecked(group) };
                    for line in 0..LINES {
                        let sums = &mut partial[row][line];
                        *sums = simd.add_products::<BITS>(*sums, weights[0][line], first);
                    }
                    for line in 0..LINES {
                        let partial = if S::WAITS && ROWS <= 2 { &mut second_partial } else { &mut partial };
                        let sums = &mut partial[row][line];
                        *sums = simd.add_products::<BITS>(*sums, weights[1][line], second);
                    }
                }
            }
            for row in 0..ROWS {
                for line in 0..LINES {
                    let partial = simd.add_integers(
                        simd.totals::<BITS>(partial[row][line]),
                        simd.totals::<BITS>(second_partial[row][line]),
                    );
                    totals[row][line] = simd.add_integers(totals[row][line], partial);
                }
            }
        }
        for line in 0..LINES {
            let scale = simd.load_line(&weights.scales[(panel * blocks + block) * LINES + line]);
            for row in 0..ROWS {
                let of_row = simd.splat(activations.scales[(first_row + row) * blocks + block]);
                let total = simd.to_floats(totals[row][line]);
                sums[row][line] = simd.mul_add(total, simd.mul(scale, of_row), sums[row][line]);
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        for (line, sums) in sums.iter().enumerate() {
            // SAFETY: as the caller promises.
            unsafe { output.store(simd, first_row + row, panel * LINES + line, *sums) };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::matmul::memory::Arena;
    use crate::kernels::matmul::shortlist::Columns;
    use crate::kernels::matmul::weights::{Format, MAX_BLOCK_SIZE};
    use crate::kernels::simd::{Avx2, Avx512, on_each};

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
                    let scale = largest / format.largest_activation();
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

    fn product(simd: impl Simd, weights: &Weights, x: &[f32]) -> Vec<f32> {
        let Format { d_in, d_out, .. } = weights.format;
        let rows = x.len() / d_in;
        let mut products = vec![f32::NAN; rows * d_out];
        let mut activations = Activations::default();
        activations.round(simd, x, weights.format);
        // SAFETY: the output has that size, and strips come one after the other.
        unsafe {
            let output = Output::new(products.as_mut_ptr(), rows, d_out);
            for strip in 0..weights.format.strips() {
                multiply(simd, weights, strip, &activations, &output);
            }
        }
        products
    }

    /// The same by the shortlist's way.
    fn column_by_column(
        simd: impl Simd,
        weights: &Weights,
        packed: &[u8],
        scales: &[f32],
        x: &[f32],
    ) -> Vec<f32> {
        let Format { d_in, d_out, .. } = weights.format;
        let columns = Columns { format: weights.format, packed, scales, bias: &weights.bias };
        let mut activations = Activations::default();
        activations.round(simd, x, weights.format);
        let places = (0..x.len() / d_in).flat_map(|row| (0..d_out).map(move |column| (row, column)));
        places.map(|(row, column)| columns.product(simd, &activations, row, column)).collect()
    }

    /// A matrix and rows to be multiplied with it.
    #[derive(Debug)]
    struct Case {
        format: Format,
        packed: Vec<u8>,
        scales: Vec<f32>,
        bias: Vec<f32>,
        x: Vec<f32>,
    }

    impl Case {
        fn random(format: Format, rows: usize, seed: u64) -> Self {
            let Format { d_in, d_out, bits, .. } = format;
            let mut state = seed | 1;
            let mut random = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            let packed = (0..d_out * format.padded() * bits / 8).map(|_| random() as u8).collect();
            let mut number = || (random() as i32 as f32) / i32::MAX as f32;
            let scales = (0..d_out * format.blocks()).map(|_| number()).collect();
            let bias = (0..d_out).map(|_| number()).collect();
            let x = (0..rows * d_in).map(|_| 3.0 * number()).collect();
            Self { format, packed, scales, bias, x }
        }

        /// Up to the last bit; and a row alone gives what it gives among others.
        fn check<S: Simd>(&self, simd: S) {
            let Self { format, packed, scales, bias, x } = self;
            let weights = Weights::new::<S>(&Arena::default(), *format, packed, scales, Some(bias)).unwrap();
            let products = product(simd, &weights, x);
            assert_eq!(products, reference(*format, packed, scales, bias, x));
            if format.bits == 8 {
                assert_eq!(products, column_by_column(simd, &weights, packed, scales, x));
            }
            for (row, x) in x.chunks(format.d_in).enumerate() {
                assert_eq!(products[row * format.d_out..][..format.d_out], product(simd, &weights, x));
            }
        }
    }

    proptest! {
        #[test]
        fn any_shape_equals_the_sums_one_after_the_other(
            d_in in 1_usize..200,
            d_out in 1_usize..80,
            rows in 1_usize..40,
            bits in prop::sample::select(vec![4_usize, 8]),
            block_size in prop::sample::select(vec![16_usize, 32, 64, 128]),
            seed: u64,
        ) {
            let case = Case::random(Format { d_in, d_out, bits, block_size }, rows, seed);
            Avx2::detect().inspect(|&avx2| case.check(avx2));
            Avx512::detect().inspect(|&avx512| case.check(avx512));
        }
    }

    /// The largest weights and activations, in the largest blocks, of one sign and of both: no sum is too large.
    fn the_largest_numbers_have_room(simd: impl Simd) {
        for (bits, block_size) in [(4, MAX_BLOCK_SIZE), (8, MAX_BLOCK_SIZE)] {
            for byte in [0x00, 0xFF] {
                for sign in [1.0, -1.0] {
                    let format = Format { d_in: block_size, d_out: 3, bits, block_size };
                    let mut case = Case::random(format, 17, 1);
                    case.packed.fill(byte);
                    case.x.iter_mut().for_each(|x| *x = sign * 5.0);
                    case.check(simd);
                }
            }
        }
    }
    on_each!(the_largest_numbers_have_room);

    /// By hand: weights 1, -1, 7, 0 with scale 0.5; activations 127, 127, 127, 0 round to themselves.
    /// 0.5 * (127 - 127 + 7 * 127) + 1 = 445.5.
    fn multiplies_by_hand<S: Simd>(simd: S) {
        let format = Format { d_in: 4, d_out: 1, bits: 4, block_size: 16 };
        let packed = [0x79, 0x8F, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88];
        let weights = Weights::new::<S>(&Arena::default(), format, &packed, &[0.5], Some(&[1.0])).unwrap();
        assert_eq!(product(simd, &weights, &[127.0, 127.0, 127.0, 0.0]), [445.5]);
        assert!(product(simd, &weights, &[f32::NAN, 0.0, 0.0, 0.0])[0].is_nan());
        assert!(!product(simd, &weights, &[f32::INFINITY, 0.0, 0.0, 0.0])[0].is_finite());
    }
    on_each!(multiplies_by_hand);
}
