//! Fused functions with derivatives: GELU, softmax and cross-entropy in one pass over memory.
//!
//! Of tensor primitives, each of them is five to ten passes, and twice as many backwards. That was a
//! seventh of a training step: all but matrix products waits for memory.
//!
//! Each function takes tensors with or without autodiff, and has the contract of [this folder](super).

use std::fmt::Debug;

use burn::backend::libtorch::TchTensor;
use burn::backend::{Autodiff, LibTorch};
use burn::tensor::{Int, Tensor};
use tch::Kind::Float;

use super::derivative::{self, Input};

type Tracked = Autodiff<LibTorch>;

/// GELU in its tanh form.
///
/// # Shapes
/// - `x` and output: any, the same
pub fn gelu<const D: usize>(x: Tensor<D>, definition: impl FnOnce(Tensor<D>) -> Tensor<D>) -> Tensor<D> {
    apply(
        x,
        |x| (TchTensor::new(x.tensor.gelu("tanh")), x.clone()),
        |x, gradient| [TchTensor::new(x.tensor.gelu_backward(&gradient.tensor, "tanh"))],
    )
    .unwrap_or_else(definition)
}

/// GELU by the error function.
///
/// # Shapes
/// - `x` and output: any, the same
pub fn exact_gelu<const D: usize>(
    x: Tensor<D>,
    definition: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Tensor<D> {
    apply(
        x,
        |x| (TchTensor::new(x.tensor.gelu("none")), x.clone()),
        |x, gradient| [TchTensor::new(x.tensor.gelu_backward(&gradient.tensor, "none"))],
    )
    .unwrap_or_else(definition)
}

/// Softmax over the last dimension.
///
/// # Shapes
/// - `x` and output: any, the same
pub fn softmax<const D: usize>(x: Tensor<D>, definition: impl FnOnce(Tensor<D>) -> Tensor<D>) -> Tensor<D> {
    apply(
        x,
        |x| {
            let y = TchTensor::new(x.tensor.softmax(-1, Float));
            (y.clone(), y)
        },
        |y, gradient| {
            let gradient = &gradient.tensor;
            [TchTensor::new(tch::Tensor::internal_softmax_backward_data(gradient, &y.tensor, -1, Float))]
        },
    )
    .unwrap_or_else(definition)
}

/// Cross-entropy, `-mean(log softmax(logits)[target])`.
///
/// # Shapes
/// - `logits`: `[n, vocab_size]`
/// - `targets`: `[n]`
/// - output: `[1]`
pub fn cross_entropy(
    logits: Tensor<2>,
    targets: Tensor<1, Int>,
    definition: impl FnOnce(Tensor<2>, Tensor<1, Int>) -> Tensor<1>,
) -> Tensor<1> {
    let column = targets.clone().unsqueeze_dim::<2>(1); // [n, 1]
    let column = column.clone().try_into_primitive::<LibTorch>().or(column.try_into_primitive::<Tracked>());
    let Ok(column) = column else { return definition(logits, targets) };
    apply(
        logits,
        |logits| {
            let log_probabilities = logits.tensor.log_softmax(-1, Float);
            let loss = -log_probabilities.gather(1, &column.tensor, false).mean(Float).reshape([1]);
            (TchTensor::new(loss), (TchTensor::new(log_probabilities), column))
        },
        // (softmax(logits) - one_hot(targets)) gradient / n
        |(log_probabilities, column), gradient| {
            let mut difference = log_probabilities.unary_ops(|mut x| x.exp_(), |x| x.exp()).tensor;
            let ones = column.tensor.ones_like().to_kind(Float);
            let _ = difference.scatter_add_(1, &column.tensor, &-ones);
            [TchTensor::new(difference.g_mul_(&(gradient.tensor / column.tensor.numel() as f64)))]
        },
    )
    .unwrap_or_else(|logits| definition(logits, targets))
}

/// [`derivative::apply`] for one tensor. A tensor that is not on libtorch comes back as the error.
fn apply<const D: usize, const E: usize, K: Clone + Debug + Send + 'static>(
    x: Tensor<D>,
    forward: impl FnOnce(&TchTensor) -> (TchTensor, K),
    backward: fn(K, TchTensor) -> [TchTensor; 1],
) -> Result<Tensor<E>, Tensor<D>> {
    let Some(input) = Input::new(x.clone()) else { return Err(x) };
    Ok(derivative::apply([input], |[x]| forward(x), backward))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    /// A constant is a constant: without a gradient to find, there is nothing to record.
    #[test]
    fn untracked_tensors_stay_untracked() {
        let x = Tensor::<1>::ones([3], &device::cpu().autodiff());
        assert!(!gelu(x, |_| panic!("it is on libtorch")).is_require_grad());
    }
}
