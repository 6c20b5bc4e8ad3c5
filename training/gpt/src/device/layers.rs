//! Layers of a transformer with derivatives, by kernels of our own: linear maps, causal attention,
//! LayerNorm, GELU and cross-entropy.
//!
//! Of a small model's training step, libtorch spends much on memory that each operation fetches anew, on passes over it
//! that one would do for, and on attention weights that are not needed. AMX also multiplies bf16 an order of magnitude
//! faster than float32, and a float32 as two of them keeps 16 of its 24 bits. Each function takes tensors with or without
//! autodiff, and has the contract of [this folder](super).

use burn::backend::libtorch::TchTensor;
use burn::tensor::{Int, Tensor};
use kernels::training::{
    AttentionGradients, CausalAttention, LayerNormGradients, column_sums, cross_entropy as loss_and_gradient,
    gelu_gradient, layer_norm as normalise, layer_norm_gradient,
};

use super::derivative::{Input, apply, apply_to_wanted};
use super::memory::{Matrix, contiguous, elements, elements_mut, unshared, unwritten};
use super::processor::{Processor, inputs, processor};

/// Linear map, `x weight + bias`.
///
/// # Shapes
/// - `x`: `[n, d_in]`
/// - `weight`: `[d_in, d_out]`
/// - `bias`: `[d_out]`
/// - output: `[n, d_out]`
pub fn linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    definition: impl FnOnce(Tensor<2>, Tensor<2>, Option<Tensor<1>>) -> Tensor<2>,
) -> Tensor<2> {
    let factors = [Input::new(x.clone()), Input::new(weight.clone())];
    let Some(bias) = bias else {
        let Some(inputs) = inputs(factors) else { return definition(x, weight, None) };
        return apply_to_wanted(
            inputs,
            |[x, weight]| product(Matrix::new(x), Matrix::new(weight), None),
            |factors, gradient, wanted| factor_gradients(&factors, &gradient, wanted),
        );
    };
    let [of_x, of_weight] = factors;
    let Some(inputs) = inputs([of_x, of_weight, Input::new(bias.clone())]) else {
        return definition(x, weight, Some(bias));
    };
    apply_to_wanted(
        inputs,
        |[x, weight, bias]| product(Matrix::new(x), Matrix::new(weight), Some(contiguous(bias.clone()))),
        |factors, gradient, [x, weight, bias]| {
            let gradient = contiguous(gradient);
            let [of_x, of_weight] = factor_gradients(&factors, &gradient, [x, weight]);
            [of_x, of_weight, bias.then(|| sums_of_columns(&gradient))]
        },
    )
}

/// `x weight + bias`, and both factors.
fn product(x: Matrix, weight: Matrix, bias: Option<TchTensor>) -> (TchTensor, [Matrix; 2]) {
    (multiply(&x, &weight, bias.as_ref()), [x, weight])
}

/// Of `x weight`: `gradient weight^T` and `x^T gradient`, as far as they are wanted.
fn factor_gradients(
    [x, weight]: &[Matrix; 2],
    gradient: &TchTensor,
    [of_x, of_weight]: [bool; 2],
) -> [Option<TchTensor>; 2] {
    let gradient = Matrix::new(gradient);
    [
        of_x.then(|| multiply(&gradient, &weight.transpose(), None)),
        of_weight.then(|| multiply(&x.transpose(), &gradient, None)),
    ]
}

fn multiply(left: &Matrix, right: &Matrix, bias: Option<&TchTensor>) -> TchTensor {
    let Processor { multiplier, pool, .. } = processor();
    let ([rows, _], [_, columns]) = (left.shape(), right.shape());
    let mut product = unwritten(&[rows, columns]);
    multiplier.multiply(pool, left.view(), right.view(), bias.map(elements), elements_mut(&mut product));
    product
}

fn sums_of_columns(tensor: &TchTensor) -> TchTensor {
    let Processor { instructions, pool, .. } = processor();
    let matrix = Matrix::new(tensor);
    let mut sums = unwritten(&matrix.shape()[1..]);
    column_sums(*instructions, pool, matrix.view(), elements_mut(&mut sums));
    sums
}

/// LayerNorm, `scale * (x - mean) / sqrt(variance + epsilon) + shift` over the last axis.
///
/// # Shapes
/// - `x` and output: `[.., d_model]`
/// - `scale` and `shift`: `[d_model]`
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    [scale, shift]: [Tensor<1>; 2],
    epsilon: f64,
    definition: impl FnOnce(Tensor<D>, [Tensor<1>; 2]) -> Tensor<D>,
) -> Tensor<D> {
    let all = [Input::new(x.clone()), Input::new(scale.clone()), Input::new(shift.clone())];
    let Some(inputs) = inputs(all) else { return definition(x, [scale, shift]) };
    let epsilon = epsilon as f32;
    apply(
        inputs,
        |inputs| {
            let Processor { instructions, pool, .. } = processor();
            let [x, scale, shift] = inputs.map(|input| contiguous(input.clone()));
            let mut y = unwritten(&x.tensor.size());
            let parameters = [elements(&scale), elements(&shift)];
            normalise(*instructions, pool, elements(&x), parameters, epsilon, elements_mut(&mut y));
            (y, (x, scale, epsilon))
        },
        |(x, scale, epsilon), gradient| {
            let Processor { instructions, pool, .. } = processor();
            let gradient = contiguous(gradient);
            let (shape, width) = (x.tensor.size(), scale.tensor.size());
            let mut gradients = [&shape, &width, &width].map(|shape| unwritten(shape));
            let [of_x, of_scale, of_shift] = gradients.each_mut().map(elements_mut);
            let outputs = LayerNormGradients { x: of_x, scale: of_scale, shift: of_shift };
            let inputs = [elements(&x), elements(&gradient)];
            layer_norm_gradient(*instructions, pool, inputs, elements(&scale), epsilon, outputs);
            gradients
        },
    )
}

/// GELU in its tanh form.
///
/// # Shapes
/// - `x` and output: any, the same
pub fn gelu<const D: usize>(x: Tensor<D>, definition: impl FnOnce(Tensor<D>) -> Tensor<D>) -> Tensor<D> {
    let Some(inputs) = inputs([Input::new(x.clone())]) else { return definition(x) };
    apply(
        inputs,
        |[x]| {
            let Processor { instructions, pool, .. } = processor();
            let x = contiguous(x.clone());
            let mut y = unwritten(&x.tensor.size());
            kernels::gelu(*instructions, pool, elements(&x), elements_mut(&mut y));
            (y, x)
        },
        |x, gradient| {
            let Processor { instructions, pool, .. } = processor();
            let mut gradient = unshared(gradient);
            gelu_gradient(*instructions, pool, elements(&x), elements_mut(&mut gradient));
            [gradient]
        },
    )
}

/// Causal self-attention of `n_heads` heads, which lie side by side: `softmax(queries keys^T / sqrt(d_head)) values`, where
/// a token sees the tokens up to itself. Attention weights are computed anew for the gradient, not kept.
///
/// # Shapes
/// - queries, keys, values and output: `[batch, seq, d_model]`
pub fn causal_attention(
    inputs: [Tensor<3>; 3],
    n_heads: usize,
    definition: impl FnOnce([Tensor<3>; 3]) -> Tensor<3>,
) -> Tensor<3> {
    let [_, seq, d_model] = inputs[0].dims();
    let Some(found) = self::inputs(inputs.clone().map(Input::new)) else { return definition(inputs) };
    apply(
        found,
        |inputs| {
            let inputs = inputs.map(|input| contiguous(input.clone()));
            let mut output = unwritten(&inputs[0].tensor.size());
            let attention = attention([seq, d_model, n_heads]);
            attention.forward(&processor().pool, inputs.each_ref().map(elements), elements_mut(&mut output));
            (output, (inputs, [seq, d_model, n_heads]))
        },
        |(inputs, shape), gradient| {
            let gradient = contiguous(gradient);
            let mut gradients = inputs.each_ref().map(|input| unwritten(&input.tensor.size()));
            let [queries, keys, values] = gradients.each_mut().map(elements_mut);
            let outputs = AttentionGradients { queries, keys, values };
            let inputs = inputs.each_ref().map(elements);
            attention(shape).gradient(&processor().pool, inputs, elements(&gradient), outputs);
            gradients
        },
    )
}

fn attention([seq, d_model, n_heads]: [usize; 3]) -> CausalAttention {
    let &Processor { instructions, multiplier, .. } = processor();
    CausalAttention { multiplier, instructions, seq, d_model, n_heads }
}

/// Cross-entropy, `-mean(log softmax(logits)[target])`. Its gradient is computed with it, from one pass over the logits.
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
    let Some(inputs) = inputs([Input::new(logits.clone())]) else { return definition(logits, targets) };
    let targets: Vec<usize> = targets.into_data().iter::<i64>().map(|target| target as usize).collect();
    apply(
        inputs,
        |[logits]| {
            let Processor { instructions, pool, .. } = processor();
            let logits = contiguous(logits.clone());
            let [mut loss, mut gradient] = [&[1], &*logits.tensor.size()].map(unwritten);
            let found = loss_and_gradient(
                *instructions,
                pool,
                elements(&logits),
                &targets,
                elements_mut(&mut gradient),
            );
            elements_mut(&mut loss).fill(found);
            (loss, gradient)
        },
        |kept, gradient| {
            let factor = elements(&gradient)[0];
            let mut kept = unshared(kept);
            if factor != 1.0 {
                elements_mut(&mut kept).iter_mut().for_each(|number| *number *= factor);
            }
            [kept]
        },
    )
}
