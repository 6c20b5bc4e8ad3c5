//! Block-wise quantisation: a row of weights as small integers, each block of them with a scale.
//!
//! `w ≈ scale * (q - 2^(bits - 1))`, with `q` from 0 to `2^bits - 1`: the format of ONNX Runtime's
//! `MatMulNBits` and `GatherBlockQuantized` without zero points.

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::calibration::Hessian;

/// Of [`Blocks::quantize_for`]: columns, or more, that are rounded before their errors go to all later
/// ones, in one product of matrices.
const GROUP: usize = 128;

/// How finely a matrix is quantised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Of each integer: 4 or 8.
    pub bits: usize,
    /// Weights that share a scale.
    pub block_size: usize,
}

/// A quantised matrix.
#[derive(Debug, PartialEq)]
pub struct Quantized {
    /// `[rows, blocks, block_size * bits / 8]`; of two integers in a byte, the first is the lower half.
    pub packed: Vec<u8>,
    /// `[rows, blocks]`
    pub scales: Vec<f32>,
    /// Blocks in a row; the last one may be filled up with zeros.
    pub blocks: usize,
}

impl Blocks {
    /// Bytes of a block, without its scale.
    pub fn bytes(self) -> usize {
        self.block_size * self.bits / 8
    }

    /// Quantises `values`, `[rows, columns]` with one row after the other.
    pub fn quantize(self, values: &[f32], columns: usize) -> Quantized {
        let blocks = columns.div_ceil(self.block_size);
        let rows = values.len() / columns;
        let mut packed = vec![0; rows * blocks * self.bytes()];
        let mut scales = vec![0.0; rows * blocks];
        packed
            .par_chunks_mut(blocks * self.bytes())
            .zip(scales.par_chunks_mut(blocks))
            .zip(values.par_chunks(columns))
            .for_each(|((packed, scales), row)| {
                let mut block = vec![0.0; self.block_size];
                let blocks = row.chunks(self.block_size).zip(scales).zip(packed.chunks_mut(self.bytes()));
                for ((weights, scale), packed) in blocks {
                    block.fill(0.0);
                    block[..weights.len()].copy_from_slice(weights);
                    *scale = self.best_scale(&block);
                    self.pack(&block, *scale, packed);
                }
            });
        Quantized { packed, scales, blocks }
    }

    /// Quantises `values` as [`quantize`](Self::quantize) does, but so that the errors of a row cost little
    /// together: each weight makes up for what those before it have lost by rounding, as far as it can.
    ///
    /// Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
    /// Transformers" (2022), <https://arxiv.org/abs/2210.17323>.
    pub fn quantize_for(self, values: &[f32], columns: usize, hessian: &Hessian) -> Quantized {
        let blocks = columns.div_ceil(self.block_size);
        let rows = values.len() / columns;
        let mut packed = vec![0; rows * blocks * self.bytes()];
        let mut scales = vec![0.0; rows * blocks];
        let device = hessian.factor.device();
        let data = TensorData::new(values.to_vec(), [rows, columns]);
        // Those that are still to be rounded.
        let mut rest: Tensor<2> = Tensor::from_data(data, &device);
        let group = GROUP.next_multiple_of(self.block_size);
        for start in (0..columns).step_by(group) {
            let end = columns.min(start + group);
            let width = end - start;
            let factor = numbers(hessian.factor.clone().slice([start..end, start..end]));
            // Each weight is replaced by its error.
            let mut weights = numbers(rest.clone().slice([0..rows, 0..width]));
            let first = start / self.block_size;
            weights
                .par_chunks_mut(width)
                .zip(packed.par_chunks_mut(blocks * self.bytes()))
                .zip(scales.par_chunks_mut(blocks))
                .for_each(|((weights, packed), scales)| {
                    self.round_in_turn(
                        weights,
                        &factor,
                        &mut packed[first * self.bytes()..],
                        &mut scales[first..],
                    );
                });
            if end < columns {
                let errors = Tensor::from_data(TensorData::new(weights, [rows, width]), &device);
                let later = hessian.factor.clone().slice([start..end, end..columns]);
                rest = rest.slice([0..rows, width..columns - start]) - errors.matmul(later);
            }
        }
        Quantized { packed, scales, blocks }
    }

    /// Rounds a part of a row, whole blocks unless it ends the row. Leaves in the place of each weight
    /// its error, in units of the diagonal of the factor.
    ///
    /// # Shapes
    /// - `weights`: `[width]`
    /// - `factor`: `[width, width]`
    fn round_in_turn(self, weights: &mut [f32], factor: &[f32], packed: &mut [u8], scales: &mut [f32]) {
        let width = weights.len();
        let mut block = vec![0.0; self.block_size];
        let blocks = scales.iter_mut().zip(packed.chunks_mut(self.bytes()));
        for (start, (scale, packed)) in (0..width).step_by(self.block_size).zip(blocks) {
            let end = width.min(start + self.block_size);
            block.fill(0.0);
            block[..end - start].copy_from_slice(&weights[start..end]);
            *scale = self.best_scale(&block);
            let inverse = if *scale == 0.0 { 0.0 } else { 1.0 / *scale };
            for column in start..end {
                let rounded = *scale * self.level(weights[column] * inverse);
                block[column - start] = rounded;
                let factors = &factor[column * width..(column + 1) * width];
                let error = (weights[column] - rounded) / factors[column];
                weights[column] = error;
                for (weight, factor) in weights[column + 1..].iter_mut().zip(&factors[column + 1..]) {
                    *weight -= error * factor;
                }
            }
            self.pack(&block, *scale, packed);
        }
    }

    /// The lowest and the highest of the integers, less their zero point.
    fn levels(self) -> (f32, f32) {
        let half = (1 << (self.bits - 1)) as f32;
        (-half, half - 1.0)
    }

    /// The scale with the smallest squared error that a search finds.
    ///
    /// It starts from scales that spread the weights over more or less of the levels, with either sign
    /// since there is one level more below zero than above; each is then replaced by the best scale
    /// for the integers that it gives (least squares), which can only improve it.
    fn best_scale(self, block: &[f32]) -> f32 {
        let largest = block.iter().fold(0.0f32, |largest, weight| largest.max(weight.abs()));
        if largest == 0.0 {
            return 0.0;
        }
        let (lowest, _) = self.levels();
        let (mut best, mut least) = (0.0, f32::INFINITY);
        for spread in self.spreads() {
            for sign in [1.0, -1.0] {
                let start = sign * largest / (-lowest * spread);
                let scale = self.refit(block, start);
                let error = self.squared_error(block, scale);
                if error < least {
                    (best, least) = (scale, error);
                }
            }
        }
        best
    }

    /// How far beyond the levels the largest weight may lie, at the start of a search: with few levels
    /// it pays to clip it.
    fn spreads(self) -> &'static [f32] {
        match self.bits {
            4 => &[0.875, 0.92, 0.96, 1.0, 1.04, 1.08, 1.13, 1.18, 1.24, 1.31, 1.4, 1.5],
            _ => &[127.0 / 128.0, 1.0],
        }
    }

    /// The best scale for the integers that `scale` gives.
    fn refit(self, block: &[f32], scale: f32) -> f32 {
        let (mut product, mut square) = (0.0, 0.0);
        let inverse = 1.0 / scale;
        for &weight in block {
            let level = self.level(weight * inverse);
            product += weight * level;
            square += level * level;
        }
        if square > 0.0 { product / square } else { scale }
    }

    fn squared_error(self, block: &[f32], scale: f32) -> f32 {
        let inverse = 1.0 / scale;
        block.iter().map(|&weight| weight - scale * self.level(weight * inverse)).map(|e| e * e).sum()
    }

    /// The level nearest to a number of scales.
    fn level(self, scaled: f32) -> f32 {
        // Adding and taking away 1.5 * 2^23 rounds to an integer, as fast as an addition.
        const ROUND: f32 = 12_582_912.0;
        let (lowest, highest) = self.levels();
        (scaled.clamp(lowest, highest) + ROUND) - ROUND
    }

    fn pack(self, block: &[f32], scale: f32, packed: &mut [u8]) {
        let (lowest, _) = self.levels();
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let integer = |weight: f32| (self.level(weight * inverse) - lowest) as u8;
        for (byte, weights) in packed.iter_mut().zip(block.chunks(8 / self.bits)) {
            *byte = match *weights {
                [low, high] => integer(low) | integer(high) << 4,
                [weight] => integer(weight),
                _ => unreachable!("integers have 4 or 8 bits"),
            };
        }
    }
}

fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dequantized(blocks: Blocks, quantized: &Quantized, columns: usize) -> Vec<f32> {
        let Blocks { bits, block_size } = blocks;
        let zero = (1 << (bits - 1)) as f32;
        let integers: Vec<f32> = match bits {
            4 => quantized.packed.iter().flat_map(|byte| [byte & 15, byte >> 4]).map(f32::from).collect(),
            _ => quantized.packed.iter().copied().map(f32::from).collect(),
        };
        let weights = integers.chunks(block_size).zip(&quantized.scales);
        let weights = weights.flat_map(|(block, scale)| block.iter().map(move |q| scale * (q - zero)));
        let padded: Vec<f32> = weights.collect();
        padded.chunks(quantized.blocks * block_size).flat_map(|row| row[..columns].to_vec()).collect()
    }

    /// Integers times a scale are kept exactly, the lowest level included; -8 and 7 fill four bits.
    #[test]
    fn what_fits_is_exact() {
        let blocks = Blocks { bits: 4, block_size: 16 };
        let weights: Vec<f32> = (0..16).map(|i| 0.25 * (i as f32 - 8.0)).collect();
        let quantized = blocks.quantize(&weights, 16);
        assert_eq!(dequantized(blocks, &quantized, 16), weights);
        assert_eq!(quantized.scales[0].abs(), 0.25);
        assert_eq!(quantized.packed.len(), 8);
    }

    /// A row of 5 in blocks of 4: two blocks, of which the second is filled up.
    #[test]
    fn rows_are_filled_up_to_whole_blocks() {
        let blocks = Blocks { bits: 8, block_size: 4 };
        let weights = [1.0, -2.0, 3.0, 127.0, 5.0, 0.0, 0.0, 0.0, 0.0, -0.5];
        let quantized = blocks.quantize(&weights, 5);
        assert_eq!((quantized.blocks, quantized.scales.len(), quantized.packed.len()), (2, 4, 16));
        for (found, expected) in dequantized(blocks, &quantized, 5).into_iter().zip(weights) {
            assert!((found - expected).abs() <= 0.5 * 127.0 / 127.0, "{found} != {expected}");
        }
        assert_eq!(quantized.scales[2], 0.0);
    }

    /// Plain rounding spreads the largest weight over all levels; the search must not do worse, and
    /// on normally distributed weights it does clearly better.
    #[test]
    fn the_search_beats_the_largest_weight() {
        use rand::{Rng, SeedableRng};
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut normal = || (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0;
        let blocks = Blocks { bits: 4, block_size: 32 };
        let (mut plain_sum, mut searched_sum) = (0.0, 0.0);
        for _ in 0..200 {
            let weights: Vec<f32> = (0..32).map(|_| normal()).collect();
            let largest = weights.iter().fold(0.0f32, |largest, w| largest.max(w.abs()));
            let plain = blocks.squared_error(&weights, largest / 7.0);
            let searched = blocks.squared_error(&weights, blocks.best_scale(&weights));
            assert!(searched <= plain, "{searched} > {plain}");
            plain_sum += plain;
            searched_sum += searched;
        }
        assert!(searched_sum < 0.8 * plain_sum, "{searched_sum} {plain_sum}");
    }

    /// Weights of a row and numbers to multiply them with that have much in common, as those of a model.
    fn random_weights_and_inputs(columns: usize) -> (Vec<f32>, Vec<Vec<f32>>) {
        use rand::{Rng, SeedableRng};
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let mut number = || random.random::<f32>() - 0.5;
        let weights = (0..4 * columns).map(|_| number()).collect();
        let directions: Vec<Vec<f32>> = (0..8).map(|_| (0..columns).map(|_| number()).collect()).collect();
        let mut input = || {
            let amounts: Vec<f32> = (0..8).map(|_| number()).collect();
            let of_all =
                |column: usize| amounts.iter().zip(&directions).map(|(a, d)| a * d[column]).sum::<f32>();
            (0..columns).map(|column| of_all(column) + 0.1 * number()).collect()
        };
        (weights, (0..2 * columns).map(|_| input()).collect())
    }

    /// Groups of 128 columns and one of 44, of which the last block is filled up.
    #[test]
    fn products_lose_less_when_later_weights_make_up_for_earlier_ones() {
        let (columns, blocks) = (300, Blocks { bits: 4, block_size: 64 });
        let (weights, inputs) = random_weights_and_inputs(columns);
        let x = TensorData::new(inputs.concat(), [inputs.len(), columns]);
        let x: Tensor<2> = Tensor::from_data(x, &crate::device::cpu());
        let moments = Hessian::of_moments(x.clone().transpose().matmul(x)).unwrap();
        let error = |quantized: &Quantized| {
            let found = dequantized(blocks, quantized, columns);
            let errors: Vec<f32> = weights.iter().zip(&found).map(|(weight, found)| weight - found).collect();
            let product = |errors: &[f32], x: &[f32]| errors.iter().zip(x).map(|(e, x)| e * x).sum::<f32>();
            let of_row = |row: &[f32]| inputs.iter().map(|x| product(row, x).powi(2)).sum::<f32>();
            errors.chunks(columns).map(of_row).sum::<f32>()
        };
        let plain = error(&blocks.quantize(&weights, columns));
        let made_up = error(&blocks.quantize_for(&weights, columns, &moments));
        assert!(made_up < 0.25 * plain, "{made_up} {plain}");
    }

    /// What lies in one direction cannot be made up for in another.
    #[test]
    fn without_anything_in_common_each_weight_is_rounded_for_itself() {
        let (columns, blocks) = (300, Blocks { bits: 4, block_size: 64 });
        let (weights, _) = random_weights_and_inputs(columns);
        let white = Hessian::of_moments(Tensor::eye(columns, &crate::device::cpu()) * 7.0).unwrap();
        assert_eq!(blocks.quantize_for(&weights, columns, &white), blocks.quantize(&weights, columns));
    }
}
