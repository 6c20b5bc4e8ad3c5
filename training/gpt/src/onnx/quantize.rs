//! Block-wise quantization to int4 and int8: each block of a row of weights has a scale.
//!
//! `w ≈ scale * (q - 2^(bits - 1))`, with `q` from 0 to `2^bits - 1`: the format of ONNX Runtime's
//! `MatMulNBits` and `GatherBlockQuantized` without zero points.

use rayon::prelude::*;

/// Precision of a quantized matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Bits of each integer: 4 (w4, int4) or 8 (w8, int8).
    pub bits: usize,
    /// Weights that share a scale.
    pub block_size: usize,
}

/// A quantized matrix.
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
    pub(super) fn best_scale(self, block: &[f32]) -> f32 {
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

    /// Factors by which the largest weight may lie beyond the levels, at the start of a search: with few levels
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
    pub(super) fn level(self, scaled: f32) -> f32 {
        // Adding and taking away 1.5 * 2^23 rounds to an integer, as fast as an addition.
        const ROUND: f32 = 12_582_912.0;
        let (lowest, highest) = self.levels();
        (scaled.clamp(lowest, highest) + ROUND) - ROUND
    }

    pub(super) fn pack(self, block: &[f32], scale: f32, packed: &mut [u8]) {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn dequantized(blocks: Blocks, quantized: &Quantized, columns: usize) -> Vec<f32> {
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
}
