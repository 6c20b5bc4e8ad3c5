//! LayerNorm: each token's vector brought to mean 0 and variance 1.
//!
//! LLMs-from-scratch, chapter 4. //! Ba, Kiros and Hinton, "Layer Normalization" (2016), <https://arxiv.org/abs/1607.06450>.

use artifact::config::LAYER_NORM_EPSILON;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// Brings each token's vector to mean 0 and variance 1, then scales and shifts it as learned.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[d_model]`, 1 at first.
    pub scale: Param<Tensor<1>>,
    /// `[d_model]`, 0 at first.
    pub shift: Param<Tensor<1>>,
}

impl LayerNorm {
    /// A normalization that does not yet scale or shift.
    pub fn new(d_model: usize, device: &Device) -> Self {
        Self {
            scale: Param::from_tensor(Tensor::ones([d_model], device)),
            shift: Param::from_tensor(Tensor::zeros([d_model], device)),
        }
    }

    /// `scale * (x - mean) / sqrt(variance + epsilon) + shift`, over the last axis.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, seq, d_model]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let mean = x.clone().mean_dim(2); // [batch, seq, 1]
        let centred = x - mean;
        let variance = centred.clone().square().mean_dim(2); // [batch, seq, 1]
        let normalised = centred / (variance + LAYER_NORM_EPSILON).sqrt();
        normalised * self.scale.val().unsqueeze() + self.shift.val().unsqueeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    /// [1, 2, 3, 6] has mean 3 and variance (4 + 1 + 0 + 9) / 4 = 3.5.
    #[test]
    fn normalises_scales_and_shifts() {
        let device = device::cpu();
        let norm = LayerNorm {
            scale: Param::from_tensor(Tensor::from_floats([1.0, 1.0, 1.0, 2.0], &device)),
            shift: Param::from_tensor(Tensor::from_floats([0.0, 0.0, 0.5, 0.0], &device)),
        };
        let y = norm.forward(Tensor::from_floats([[[1.0, 2.0, 3.0, 6.0]]], &device)).into_data();
        let deviation = (3.5f32 + 1e-5).sqrt();
        for (y, expected) in y.try_to_vec::<f32>().unwrap().into_iter().zip([
            -2.0 / deviation,
            -1.0 / deviation,
            0.5,
            2.0 * 3.0 / deviation,
        ]) {
            assert!((y - expected).abs() < 1e-6, "{y} != {expected}");
        }
    }

    #[test]
    fn a_constant_vector_does_not_divide_by_zero() {
        let device = device::cpu();
        let y = LayerNorm::new(3, &device).forward(Tensor::ones([1, 1, 3], &device)).into_data();
        assert_eq!(y.try_to_vec::<f32>().unwrap(), [0.0; 3]);
    }
}
