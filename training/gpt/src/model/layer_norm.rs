//! LayerNorm: each token's vector brought to mean 0 and variance 1.
//!
//! LLMs-from-scratch, chapter 4. //! Ba, Kiros and Hinton, "Layer Normalization" (2016), <https://arxiv.org/abs/1607.06450>.

use artifact::config::LAYER_NORM_EPSILON;
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};

use crate::device::{Arithmetic, bf16, layers};

/// Brings each token's vector to mean 0 and variance 1, then scales and shifts it as learned.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[d_model]`, 1 at first.
    pub scale: Param<Tensor<1>>,
    /// `[d_model]`, 0 at first.
    pub shift: Param<Tensor<1>>,
    /// How it computes.
    #[module(skip)]
    pub arithmetic: Arithmetic,
}

impl LayerNorm {
    /// A normalization that does not yet scale or shift.
    pub fn new(d_model: usize, device: &Device) -> Self {
        Self {
            scale: Param::from_tensor(Tensor::ones([d_model], device)),
            shift: Param::from_tensor(Tensor::zeros([d_model], device)),
            arithmetic: Arithmetic::default(),
        }
    }

    /// `scale * (x - mean) / sqrt(variance + epsilon) + shift`, over the last axis.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, seq, d_model]`, the output in bf16 if that is how it computes
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let parameters = [self.scale.val(), self.shift.val()];
        match self.arithmetic {
            Arithmetic::Primitives => from_primitives(x, parameters),
            Arithmetic::Kernels => layers::layer_norm(x, parameters, LAYER_NORM_EPSILON, from_primitives),
            Arithmetic::Bf16 => bf16::layer_norm(x, parameters, LAYER_NORM_EPSILON, in_bf16),
        }
    }
}

/// The same, and then rounded to bf16.
///
/// # Shapes
/// - as for [`from_primitives`]
fn in_bf16(x: Tensor<3>, parameters: [Tensor<1>; 2]) -> Tensor<3> {
    from_primitives(x, parameters).cast(DType::BF16)
}

/// # Shapes
/// - `x` and output: `[batch, seq, d_model]`
/// - `scale` and `shift`: `[d_model]`
fn from_primitives(x: Tensor<3>, [scale, shift]: [Tensor<1>; 2]) -> Tensor<3> {
    let mean = x.clone().mean_dim(2); // [batch, seq, 1]
    let centred = x - mean;
    let variance = centred.clone().square().mean_dim(2); // [batch, seq, 1]
    let normalised = centred / (variance + LAYER_NORM_EPSILON).sqrt();
    normalised * scale.unsqueeze() + shift.unsqueeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::device::testing::{self, assert_close};

    /// [1, 2, 3, 6] has mean 3 and variance (4 + 1 + 0 + 9) / 4 = 3.5.
    #[test]
    fn normalises_scales_and_shifts() {
        let device = device::cpu();
        let norm = LayerNorm {
            scale: Param::from_tensor(Tensor::from_floats([1.0, 1.0, 1.0, 2.0], &device)),
            shift: Param::from_tensor(Tensor::from_floats([0.0, 0.0, 0.5, 0.0], &device)),
            arithmetic: Arithmetic::default(),
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

    #[test]
    fn the_fused_forms_are_the_same() {
        let kernels = |x, parameters| layers::layer_norm(x, parameters, LAYER_NORM_EPSILON, from_primitives);
        let bf16 = |x, parameters| {
            let is_on_libtorch = |_, _| panic!("it is on libtorch");
            bf16::layer_norm(x, parameters, LAYER_NORM_EPSILON, is_on_libtorch).cast(DType::F32)
        };
        type Function<'a> = &'a dyn Fn(Tensor<3>, [Tensor<1>; 2]) -> Tensor<3>;
        let vector = |like: &Device, step| Tensor::<1>::from_data(testing::numbers(&[21], step), like);
        let of_x = |f: Function, x: Tensor<3>| {
            let device = x.device();
            f(x, [vector(&device, 1.1), vector(&device, 0.3)])
        };
        let x = |like: &Device| Tensor::from_data(testing::numbers(&[2, 50, 21], 0.7), like);
        let of_scale = |f: Function, scale: Tensor<1>| {
            let device = scale.device();
            f(x(&device), [scale, vector(&device, 0.3)])
        };
        let of_shift = |f: Function, shift: Tensor<1>| {
            let device = shift.device();
            f(x(&device), [vector(&device, 0.3), shift])
        };
        let rounded = |x, parameters| in_bf16(x, parameters).cast(DType::F32);
        let pairs: [(f32, Function, Function); 2] =
            [(5e-6, &kernels, &from_primitives), (testing::BF16, &bf16, &rounded)];
        for (tolerance, fused, definition) in pairs {
            assert_close(tolerance, [2, 50, 21], |x| of_x(fused, x), |x| of_x(definition, x));
            assert_close(tolerance, [21], |x| of_scale(fused, x), |x| of_scale(definition, x));
            assert_close(tolerance, [21], |x| of_shift(fused, x), |x| of_shift(definition, x));
        }
    }
}
