//! Matrix product of a strip: by tiles if there are many rows and AMX, else in registers.

use super::activations::Activations;
use super::output::Output;
use super::registers::{Place, tile_of_rows};
use super::tiles::multiply_in_tiles;
use super::weights::Weights;
use crate::simd::{MAX_LINES, Simd};

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
        // SAFETY: it is the same strip of the same output, from which the caller keeps other tasks away.
        return unsafe { multiply_in_tiles(simd, amx, weights, strip, activations, output) };
    }
    let panels = MAX_LINES / S::LINES;
    for panel in strip * panels..(strip + 1) * panels {
        let mut row = 0;
        while row < output.rows {
            let left = output.rows - row;
            let rows = left.div_ceil(left.div_ceil(S::ROWS)); // as even as can be: 5 and 4 rather than 8 and 1
            let place = Place { panel, row };
            // SAFETY: there are groups of `output.rows` rows, as asserted, and `row + rows` is at most that; the
            // panel is one of the strip, from which the caller keeps other tasks away.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arena::Arena;
    use crate::matmul::format::{Format, MAX_BLOCK_SIZE};
    use crate::matmul::shortlist::Columns;
    use crate::matmul::weights::PackedWeights;
    use crate::on_each::on_each;
    use crate::simd::{Avx2, Avx512};
    use crate::thread_pool::ThreadPool;

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
        activations.quantize(simd, &ThreadPool::new(1).unwrap(), x, weights.format);
        let output = Output::new(&mut products, rows, d_out);
        for strip in 0..weights.format.strips() {
            // SAFETY: one thread takes the strips one after the other.
            unsafe { multiply(simd, weights, strip, &activations, &output) };
        }
        products
    }

    /// The same by the shortlist's way.
    fn column_by_column(
        simd: impl Simd,
        weights: &Weights,
        packed: PackedWeights<'_>,
        x: &[f32],
    ) -> Vec<f32> {
        let Format { d_in, d_out, .. } = weights.format;
        let columns = Columns::new(weights.format, packed, &weights.bias);
        let mut activations = Activations::default();
        activations.quantize(simd, &ThreadPool::new(1).unwrap(), x, weights.format);
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
            let stored = PackedWeights { weights: packed, scales };
            let weights = Weights::new(
                &Arena::default(),
                &ThreadPool::new(1).unwrap(),
                S::LINES,
                *format,
                stored,
                Some(bias),
            )
            .unwrap();
            let products = product(simd, &weights, x);
            assert_eq!(products, reference(*format, packed, scales, bias, x));
            if format.bits == 8 {
                assert_eq!(products, column_by_column(simd, &weights, stored, x));
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
        let packed = PackedWeights { weights: &packed, scales: &[0.5] };
        let weights = Weights::new(
            &Arena::default(),
            &ThreadPool::new(1).unwrap(),
            S::LINES,
            format,
            packed,
            Some(&[1.0]),
        )
        .unwrap();
        assert_eq!(product(simd, &weights, &[127.0, 127.0, 127.0, 0.0]), [445.5]);
        assert!(product(simd, &weights, &[f32::NAN, 0.0, 0.0, 0.0])[0].is_nan());
        assert!(!product(simd, &weights, &[f32::INFINITY, 0.0, 0.0, 0.0])[0].is_finite());
    }
    on_each!(multiplies_by_hand);
}
