//! Functions that libtorch computes in one pass over memory, and their derivatives.
//!
//! Of tensor primitives, each of them is five to ten passes, and twice as many backwards. That was a
//! seventh of a training step: all but matrix products waits for memory. The model defines these
//! functions by primitives, and comes here for the same values and gradients in less time; its tests
//! compare the two.
//!
//! Each function takes a tensor with or without autodiff. A tensor of another backend than libtorch
//! comes back as the error.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::libtorch::TchTensor;
use burn::backend::{Autodiff, LibTorch};
use burn::tensor::{Int, Tensor};
use tch::Kind::Float;

type Tracked = Autodiff<LibTorch>;

/// GELU in its tanh form.
///
/// # Errors
/// The tensor, if it is not on libtorch.
///
/// # Shapes
/// - `x` and output: any, the same
pub fn gelu<const D: usize>(x: Tensor<D>) -> Result<Tensor<D>, Tensor<D>> {
    apply(
        x,
        |x| (TchTensor::new(x.tensor.gelu("tanh")), x.clone()),
        |x, gradient| TchTensor::new(x.tensor.gelu_backward(&gradient.tensor, "tanh")),
    )
}

/// Softmax over the last axis.
///
/// # Errors
/// The tensor, if it is not on libtorch.
///
/// # Shapes
/// - `x` and output: any, the same
pub fn softmax<const D: usize>(x: Tensor<D>) -> Result<Tensor<D>, Tensor<D>> {
    apply(
        x,
        |x| {
            let y = TchTensor::new(x.tensor.softmax(-1, Float));
            (y.clone(), y)
        },
        |y, gradient| {
            let gradient = &gradient.tensor;
            TchTensor::new(tch::Tensor::internal_softmax_backward_data(gradient, &y.tensor, -1, Float))
        },
    )
}

/// `-mean(log softmax(logits)[target])`.
///
/// # Errors
/// The logits, if they are not on libtorch.
///
/// # Shapes
/// - `logits`: `[n, vocab_size]`
/// - `targets`: `[n]`
/// - output: `[1]`
pub fn cross_entropy(logits: Tensor<2>, targets: &Tensor<1, Int>) -> Result<Tensor<1>, Tensor<2>> {
    let targets = targets.clone().unsqueeze_dim::<2>(1); // [n, 1]
    let targets =
        targets.clone().try_into_primitive::<LibTorch>().or(targets.try_into_primitive::<Tracked>());
    let Ok(targets) = targets else { return Err(logits) };
    apply(
        logits,
        |logits| {
            let log_probabilities = logits.tensor.log_softmax(-1, Float);
            let loss = -log_probabilities.gather(1, &targets.tensor, false).mean(Float).reshape([1]);
            (TchTensor::new(loss), (TchTensor::new(log_probabilities), targets))
        },
        // (softmax(logits) - one_hot(targets)) gradient / n
        |(log_probabilities, targets), gradient| {
            let mut difference = log_probabilities.unary_ops(|mut x| x.exp_(), |x| x.exp()).tensor;
            let ones = targets.tensor.ones_like().to_kind(Float);
            let _ = difference.scatter_add_(1, &targets.tensor, &-ones);
            TchTensor::new(difference.g_mul_(&(gradient.tensor / targets.tensor.numel() as f64)))
        },
    )
}

/// Computes `forward(x)`, which is a result and what `backward` needs besides the gradient of the
/// result to make the gradient of `x`.
fn apply<const D: usize, const E: usize, K: Clone + Debug + Send + 'static>(
    x: Tensor<D>,
    forward: impl FnOnce(&TchTensor) -> (TchTensor, K),
    backward: fn(K, TchTensor) -> TchTensor,
) -> Result<Tensor<E>, Tensor<D>> {
    if let Ok(x) = x.clone().try_into_primitive::<LibTorch>() {
        return Ok(Tensor::from_primitive::<LibTorch>(forward(&x).0));
    }
    let Ok(x) = x.clone().try_into_primitive::<Tracked>() else { return Err(x) };
    let (y, kept) = forward(x.primitive());
    let operation = Derivative(backward).prepare::<NoCheckpointing>([x.node()]);
    Ok(Tensor::from_primitive::<Tracked>(match operation.compute_bound().stateful() {
        OpsKind::Tracked(operation) => operation.finish(kept, y),
        OpsKind::UnTracked(operation) => operation.finish(y),
    }))
}

/// What autodiff does with a function on the way back.
#[derive(Debug)]
struct Derivative<K>(fn(K, TchTensor) -> TchTensor);

impl<K: Clone + Debug + Send + 'static> Backward<LibTorch, 1> for Derivative<K> {
    type State = K;

    fn backward(self, operation: Ops<K, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let Ops { parents, node, state } = operation;
        unary::<LibTorch, _>(parents, node, gradients, |gradient| self.0(state, gradient));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::device;

    /// Checks that a function has the same values and gradients as its definition, and the same values
    /// without autodiff. The gradient is that of a sum with unequal weights.
    pub fn assert_same<const D: usize, const E: usize>(
        shape: [usize; D],
        function: impl Fn(Tensor<D>) -> Tensor<E>,
        definition: impl Fn(Tensor<D>) -> Tensor<E>,
    ) {
        let device = device::cpu().autodiff();
        // All different, positive and negative; drawn numbers could depend on another test.
        let numbers = |shape: &[usize], step: f32| {
            let values = (0..shape.iter().product()).map(|i: usize| 3.0 * ((i + 1) as f32 * step).sin());
            TensorData::new(values.collect::<Vec<f32>>(), shape.to_vec())
        };
        let x = Tensor::<D>::from_data(numbers(&shape, 0.7), &device).require_grad();
        let values_and_gradient = |function: &dyn Fn(Tensor<D>) -> Tensor<E>| {
            let y = function(x.clone());
            let weights = Tensor::<E>::from_data(numbers(&y.dims(), 1.3), &device);
            let gradients = (y.clone() * weights).sum().backward();
            [y.inner().into_data(), x.grad(&gradients).unwrap().into_data()]
        };
        let [values, gradient] = values_and_gradient(&function);
        let [expected, expected_gradient] = values_and_gradient(&definition);
        let without_autodiff = function(x.clone().inner()).into_data();
        for (what, found, expected) in [
            ("values", &values, &expected),
            ("values without autodiff", &without_autodiff, &expected),
            ("gradient", &gradient, &expected_gradient),
        ] {
            let pairs: Vec<(f32, f32)> = found.iter::<f32>().zip(expected.iter::<f32>()).collect();
            let largest = pairs.iter().map(|(_, expected)| expected.abs()).fold(0.0, f32::max);
            let difference = pairs.iter().map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(found.shape() == expected.shape() && largest > 0.0);
            assert!(difference <= 2e-6 * largest.max(1.0), "{what}: {difference} of {largest}");
        }
    }

    /// A constant is a constant: without a gradient to find, there is nothing to record.
    #[test]
    fn untracked_tensors_stay_untracked() {
        let x = Tensor::<1>::ones([3], &device::cpu().autodiff());
        assert!(!gelu(x).unwrap().is_require_grad());
    }
}
