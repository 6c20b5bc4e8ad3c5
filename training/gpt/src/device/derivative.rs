//! Functions of several tensors with derivatives of their own, for burn's autodiff.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::libtorch::TchTensor;
use burn::backend::{Autodiff, BackendTypes, LibTorch};
use burn::tensor::Tensor;

type Tracked = Autodiff<LibTorch>;

/// A tensor on libtorch.
pub(super) enum Input {
    /// Without autodiff.
    Plain(TchTensor),
    /// With autodiff.
    Tracked(<Tracked as BackendTypes>::FloatTensorPrimitive),
}

impl Input {
    /// The tensor, if it is on libtorch.
    pub(super) fn new<const D: usize>(x: Tensor<D>) -> Option<Self> {
        let plain = x.clone().try_into_primitive::<LibTorch>().ok().map(Self::Plain);
        plain.or_else(|| x.try_into_primitive::<Tracked>().ok().map(Self::Tracked))
    }

    /// What is computed with.
    pub(super) fn primitive(&self) -> &TchTensor {
        match self {
            Self::Plain(tensor) => tensor,
            Self::Tracked(tensor) => tensor.primitive(),
        }
    }
}

/// Computes `forward(inputs)`, which is a result and what `backward` needs besides the gradient of the result to make
/// those of the inputs.
pub(super) fn apply<const N: usize, const E: usize, K: Clone + Debug + Send + 'static>(
    inputs: [Input; N],
    forward: impl FnOnce([&TchTensor; N]) -> (TchTensor, K),
    backward: fn(K, TchTensor) -> [TchTensor; N],
) -> Tensor<E> {
    apply_to_wanted(
        inputs,
        |inputs| {
            let (result, kept) = forward(inputs);
            (result, (kept, backward))
        },
        |(kept, backward), gradient, _| backward(kept, gradient).map(Some),
    )
}

/// The same with a `backward` that takes long: it is told which of the inputs have a gradient, and makes those alone.
pub(super) fn apply_to_wanted<const N: usize, const E: usize, K: Clone + Debug + Send + 'static>(
    inputs: [Input; N],
    forward: impl FnOnce([&TchTensor; N]) -> (TchTensor, K),
    backward: fn(K, TchTensor, [bool; N]) -> [Option<TchTensor>; N],
) -> Tensor<E> {
    let (result, kept) = forward(inputs.each_ref().map(Input::primitive));
    let guards = inputs.iter().filter_map(|input| match input {
        Input::Tracked(tensor) => Some(tensor.node()),
        Input::Plain(_) => None,
    });
    let Ok(guards) = <[_; N]>::try_from(guards.collect::<Vec<_>>()) else {
        return Tensor::from_primitive::<LibTorch>(result);
    };
    let operation = Derivative(backward).prepare::<NoCheckpointing>(guards);
    Tensor::from_primitive::<Tracked>(match operation.compute_bound().stateful() {
        OpsKind::Tracked(operation) => operation.finish(kept, result),
        OpsKind::UnTracked(operation) => operation.finish(result),
    })
}

/// The same for a function of libtorch that has a derivative there, which it records and keeps until it is asked for.
pub(super) fn record<const N: usize, const E: usize>(
    inputs: [Input; N],
    forward: impl FnOnce([&tch::Tensor; N]) -> tch::Tensor,
) -> Tensor<E> {
    let is_tracked = inputs.iter().all(|input| matches!(input, Input::Tracked(_)));
    apply(
        inputs,
        |inputs| {
            let leaves = inputs.map(detached);
            let _ = leaves.each_ref().map(|leaf| leaf.tensor.set_requires_grad(is_tracked));
            let result = TchTensor::new(forward(leaves.each_ref().map(|leaf| &leaf.tensor)));
            (detached(&result), (leaves, result))
        },
        |(leaves, result), gradient| {
            // Its derivative by the result is the gradient, as it is.
            let product = (&result.tensor * &gradient.tensor).sum(tch::Kind::Float);
            let of = leaves.each_ref().map(|leaf| &leaf.tensor);
            let mut gradients = tch::Tensor::run_backward(&[product], &of, false, false).into_iter();
            leaves.map(|leaf| {
                gradients.next().map_or_else(|| TchTensor::new(leaf.tensor.zeros_like()), TchTensor::new)
            })
        },
    )
}

/// The tensor outside of what libtorch records. It shares its memory, and says so: what is kept is not to be overwritten.
fn detached(tensor: &TchTensor) -> TchTensor {
    TchTensor::from_existing(tensor.tensor.detach(), tensor.storage.clone())
}

/// Node of the autodiff graph: the backward pass of a function.
#[derive(Debug)]
struct Derivative<K, const N: usize>(fn(K, TchTensor, [bool; N]) -> [Option<TchTensor>; N]);

impl<K: Clone + Debug + Send + 'static, const N: usize> Backward<LibTorch, N> for Derivative<K, N> {
    type State = K;

    fn backward(self, operation: Ops<K, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let Ops { parents, node, state } = operation;
        let gradient = gradients.consume::<LibTorch>(&node);
        let wanted = parents.each_ref().map(Option::is_some);
        for (parent, gradient) in parents.into_iter().zip(self.0(state, gradient, wanted)) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<LibTorch>(parent.id, gradient);
            }
        }
    }
}
