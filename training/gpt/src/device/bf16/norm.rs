//! LayerNorm of float32 whose result is bf16.

use burn::tensor::Tensor;
use tch::Kind::BFloat16;

use crate::device::derivative::{Input, record};

/// LayerNorm, `scale * (x - mean) / sqrt(variance + epsilon) + shift` over the last axis, in float32; its result is
/// rounded.
///
/// # Shapes
/// - `x`: `[.., d_model]`, and output, in bf16
/// - `scale` and `shift`: `[d_model]`
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    [scale, shift]: [Tensor<1>; 2],
    epsilon: f64,
    definition: impl FnOnce(Tensor<D>, [Tensor<1>; 2]) -> Tensor<D>,
) -> Tensor<D> {
    let inputs = [Input::new(x.clone()), Input::new(scale.clone()), Input::new(shift.clone())];
    let [Some(of_x), Some(of_scale), Some(of_shift)] = inputs else { return definition(x, [scale, shift]) };
    record([of_x, of_scale, of_shift], |[x, scale, shift]| {
        let (y, _mean, _deviation) = x.native_layer_norm(scale.size(), Some(scale), Some(shift), epsilon);
        y.to_kind(BFloat16)
    })
}
