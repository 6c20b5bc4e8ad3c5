//! Values of parameters as plain numbers.

use burn::module::Param;
use burn::tensor::Tensor;

use crate::model::Linear;

/// The values of a parameter, last axis fastest.
pub(super) fn numbers<const D: usize>(param: &Param<Tensor<D>>) -> Vec<f32> {
    param.val().without_autodiff().into_data().iter().collect()
}

/// The weight of a linear layer as `[d_out, d_in]`.
pub(super) fn rows(linear: &Linear) -> Vec<f32> {
    linear.weight.val().without_autodiff().transpose().into_data().iter().collect()
}

/// The bias of a linear layer.
pub(super) fn bias(linear: &Linear) -> Option<Vec<f32>> {
    linear.bias.as_ref().map(numbers)
}
