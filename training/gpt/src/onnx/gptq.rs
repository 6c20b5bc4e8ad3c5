//! GPTQ: quantization that rounds the weights of a row together.
//!
//! Each weight makes up for what those before it have lost by rounding, as far as it can.
//!
//! Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers"
//! (2022), <https://arxiv.org/abs/2210.17323>.

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::hessian::Hessian;
use super::quantize::{Blocks, Quantized};

/// Columns, or more, that are rounded before their errors go to all later ones, in one matrix product.
const GROUP: usize = 128;

impl Blocks {
    /// Quantizes `values` as [`quantize`](Self::quantize) does, but so that the errors of a row cost little
    /// together, as the Hessian tells.
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
}

fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::quantize::tests::dequantized;

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

    /// Without correlations between inputs, no weight can make up for another.
    #[test]
    fn without_anything_in_common_each_weight_is_rounded_for_itself() {
        let (columns, blocks) = (300, Blocks { bits: 4, block_size: 64 });
        let (weights, _) = random_weights_and_inputs(columns);
        let white = Hessian::of_moments(Tensor::eye(columns, &crate::device::cpu()) * 7.0).unwrap();
        assert_eq!(blocks.quantize_for(&weights, columns, &white), blocks.quantize(&weights, columns));
    }
}
