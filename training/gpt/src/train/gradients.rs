//! Gradients of the loss, their norm, and clipping to it.

use burn::module::Param;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;

use crate::corpus::Batch;
use crate::device::reduction::{Sum, sum_of_squares};
use crate::model::Gpt;
use crate::model::parameters::{self, ParameterPath, ParameterVisitor};

/// Gradients of the mean loss at the targets of some batches, as a share of a step that has `of` targets; their part of its
/// mean loss, and the number of tokens.
pub fn of_batches(model: &Gpt, batches: &[Batch], of: usize) -> (GradientsParams, f64, usize) {
    let (mut total_loss, mut tokens) = (0.0, 0);
    let mut accumulator = GradientsAccumulator::new();
    for batch in batches.iter().cloned() {
        tokens += batch.inputs.shape().num_elements();
        // 1. How wrong is the model? Each target counts the same, whatever batch it is in.
        let share = of as f64 / batch.n_targets() as f64;
        let loss = batch.loss(model) / share;
        // 2. How does the loss change with each weight?
        let gradients = GradientsParams::from_grads(loss.backward(), model);
        total_loss += f64::from(loss.into_scalar::<f32>());
        if batches.len() == 1 {
            return (gradients, total_loss, tokens);
        }
        accumulator.accumulate(model, gradients);
    }
    (accumulator.grads(), total_loss, tokens)
}

/// Number of targets of all batches.
pub fn n_targets(batches: &[Batch]) -> usize {
    batches.iter().map(Batch::n_targets).sum()
}

/// The norm of all gradients together.
pub fn global_norm(model: &Gpt, gradients: &GradientsParams) -> f64 {
    parameters::visit(model, SumOfSquares { gradients, sum: Sum::default() }).sum.value().sqrt()
}

/// Scales all gradients by the same factor so that their norm together, which is `norm`, is at most `largest_norm`.
///
/// Pascanu et al., "On the difficulty of training Recurrent Neural Networks" (2013).
pub fn clip_global_norm(
    model: &Gpt,
    gradients: GradientsParams,
    norm: f64,
    largest_norm: f64,
) -> GradientsParams {
    if norm <= largest_norm {
        return gradients;
    }
    let scale = Scale { from: gradients, to: GradientsParams::new(), factor: largest_norm / norm };
    parameters::visit(model, scale).to
}

struct SumOfSquares<'a> {
    gradients: &'a GradientsParams,
    sum: Sum,
}

impl ParameterVisitor for SumOfSquares<'_> {
    fn visit<const D: usize>(&mut self, _path: &ParameterPath, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.sum += sum_of_squares(gradient, |gradient| gradient.square().sum());
        }
    }
}

struct Scale {
    from: GradientsParams,
    to: GradientsParams,
    factor: f64,
}

impl ParameterVisitor for Scale {
    fn visit<const D: usize>(&mut self, _path: &ParameterPath, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.from.remove::<D>(param.id) {
            self.to.register(param.id, gradient * self.factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use artifact::GptConfig;
    use artifact::config::Activation;
    use burn::tensor::Int;

    fn gradients(model: &Gpt) -> GradientsParams {
        let ids = Tensor::<2, Int>::from_ints([[1, 2, 3]], &device::cpu().autodiff());
        GradientsParams::from_grads(model.forward(ids).square().sum().backward(), model)
    }

    #[test]
    fn all_gradients_shrink_by_the_same_factor() {
        let config = GptConfig {
            vocab_size: 5,
            context_length: 4,
            d_model: 4,
            n_layers: 1,
            n_heads: 2,
            d_ff: 8,
            dropout: 0.0,
            qkv_bias: false,
            tied_output_head: false,
            activation: Activation::default(),
        };
        let model = Gpt::new(&config, &device::cpu().autodiff());
        let id = model.final_norm.scale.id;
        let before: Tensor<1> = gradients(&model).get(id).unwrap();
        let norm = global_norm(&model, &gradients(&model));
        let untouched = clip_global_norm(&model, gradients(&model), norm, norm);
        assert_eq!(untouched.get::<1>(id).unwrap().into_data(), before.clone().into_data());

        let clipped = clip_global_norm(&model, gradients(&model), norm, norm / 8.0);
        let difference = (clipped.get::<1>(id).unwrap() * 8.0 - before).abs().max().into_scalar::<f32>();
        assert!(difference <= 1e-5 * norm as f32, "{difference}");
        let clipped_norm = global_norm(&model, &clipped);
        assert!((clipped_norm * 8.0 / norm - 1.0).abs() < 1e-5, "{clipped_norm}");
    }
}
