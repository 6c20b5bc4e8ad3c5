//! GPTQ calibration: Hessians of the layers' inputs on a calibration text.
//!
//! The Hessian of a matrix that `x` is multiplied with is the second moments `x^T x` of its inputs: so the
//! cost of an error is what it changes in the products. That of the token embedding is the second moments
//! of the gradients of the loss at its vectors, the empirical Fisher information, since nothing closer by
//! is linear.

use artifact::GptConfig;
use burn::module::Module;
use burn::tensor::Tensor;

use super::error::ExportError;
use super::hessian::{Hessian, Moments};
use super::padding::{pad_heads, padded_head};
use crate::corpus::Batch;
use crate::model::causal_mask::causal_mask;
use crate::model::{Gpt, TransformerBlock, cross_entropy};

/// Hessians of the matrices of a transformer block.
#[derive(Clone, Debug)]
pub struct BlockHessians {
    /// Projections to queries, keys and values, which share their input.
    pub qkv: Hessian,
    /// Output projection of attention, its input padded head by head.
    pub attention_output: Hessian,
    /// First layer of the feed-forward network.
    pub expand: Hessian,
    /// Second layer of the feed-forward network.
    pub contract: Hessian,
}

/// Hessians of all matrices of a model.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Token embedding.
    pub embedding: Hessian,
    /// Transformer blocks.
    pub blocks: Vec<BlockHessians>,
    /// Output head.
    pub head: Hessian,
}

impl Calibration {
    /// Runs a model, which must be in evaluation mode, over batches of text, block by block and once back.
    ///
    /// # Errors
    /// If what the model computes is not finite, or there is no memory.
    pub fn measure(model: &Gpt, texts: &[Batch]) -> Result<Self, ExportError> {
        let config = model.config();
        let moments = |columns| Moments::new(columns, &model.token_embedding.weight.device());
        let mut embedding = moments(config.d_model);
        let with_autodiff = model.clone().freeze().train();
        for batch in texts {
            embedding.add(&gradients_at_embedding(&with_autodiff, batch));
        }
        let mut streams: Vec<_> = texts.iter().map(|batch| model.embed(batch.inputs.clone())).collect();
        let mut blocks = Vec::new();
        for block in &model.blocks {
            blocks.push(block_hessians(block, config, &mut streams)?);
        }
        let mut head = moments(config.d_model);
        for x in streams {
            head.add(&model.final_norm.forward(x));
        }
        Ok(Self { embedding: embedding.hessian()?, blocks, head: head.hessian()? })
    }
}

/// Hessians of a block, which is applied to all `streams`.
///
/// # Shapes
/// - each of `streams`: `[batch, seq, d_model]`
fn block_hessians(
    block: &TransformerBlock,
    config: &GptConfig,
    streams: &mut [Tensor<3>],
) -> Result<BlockHessians, ExportError> {
    let (attention, feed_forward) = (&block.attention, &block.feed_forward);
    let padded = padded_head(config);
    let moments = |columns| Moments::new(columns, &attention.output.weight.device());
    let (mut qkv, mut attention_output) = (moments(config.d_model), moments(config.n_heads * padded));
    let (mut expand, mut contract) = (moments(config.d_model), moments(config.d_ff));
    for x in streams {
        let [_, seq, _] = x.dims();
        let mask = causal_mask(seq, &x.device());
        let attend = |x: Tensor<3>| {
            qkv.add(&x);
            let context = attention.context(x, mask);
            attention_output.add(&pad_heads(context.clone(), config.n_heads, padded));
            attention.output.forward(context)
        };
        let feed = |x: Tensor<3>| {
            expand.add(&x);
            let hidden = feed_forward.hidden(x);
            contract.add(&hidden);
            feed_forward.contract.forward(hidden)
        };
        *x = block.residual(x.clone(), attend, feed);
    }
    Ok(BlockHessians {
        qkv: qkv.hessian()?,
        attention_output: attention_output.hessian()?,
        expand: expand.hessian()?,
        contract: contract.hessian()?,
    })
}

/// Gradients of the loss at the output of the embedding.
///
/// # Shapes
/// - output: `[batch, seq, d_model]`
fn gradients_at_embedding(model: &Gpt, batch: &Batch) -> Tensor<3> {
    let [ids, targets] = [&batch.inputs, &batch.targets].map(|ids| Tensor::from_inner(ids.clone()));
    let x = model.embed(ids).require_grad();
    let loss = cross_entropy(model.logits(model.transform(x.clone())), targets);
    // A loss that does not depend on them changes with none of them.
    x.grad(&loss.backward()).unwrap_or_else(|| x.zeros_like().inner())
}

#[cfg(test)]
mod tests {
    use artifact::config::Activation;
    use burn::module::Param;
    use burn::tensor::{Int, TensorData};

    use super::*;
    use crate::device;
    use crate::model::Linear;

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    /// A model of 16 tokens whose output head is the identity: it gives what the head multiplies with.
    fn without_head() -> Gpt {
        let config = GptConfig {
            vocab_size: 16,
            context_length: 12,
            d_model: 16,
            n_layers: 2,
            n_heads: 4,
            d_ff: 64,
            dropout: 0.5,
            qkv_bias: false,
            tied_output_head: false,
            activation: Activation::default(),
        };
        let device = device::cpu();
        let mut model = Gpt::new(&config, &device).valid();
        model.output_head = Some(Linear {
            weight: Param::from_tensor(Tensor::eye(16, &device)),
            bias: None,
            lora: None,
            arithmetic: crate::device::Arithmetic::default(),
        });
        model
    }

    fn text(first: i64) -> Batch {
        let ids = |first| {
            let ids = Tensor::<1, Int>::arange(first..first + 12, &device::cpu());
            ids.remainder_scalar(16).reshape([1, 12])
        };
        Batch { inputs: ids(first), targets: ids(first + 1), target_bytes: 0, packing: None }
    }

    #[test]
    fn streams_pass_through_the_blocks_as_in_the_model() {
        let (model, texts) = (without_head(), [text(0), text(7)]);
        let x = Tensor::cat(texts.iter().map(|text| model.forward(text.inputs.clone())).collect(), 0);
        let x = x.reshape([24, 16]);
        let expected = values(Hessian::of_moments(x.clone().transpose().matmul(x)).unwrap().factor);

        let calibration = Calibration::measure(&model, &texts).unwrap();
        for (found, expected) in values(calibration.head.factor).iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-3, "{found} {expected}");
        }
        assert_eq!(calibration.blocks.len(), 2);
        assert_eq!(calibration.blocks[1].attention_output.factor.dims(), [32, 32]); // heads of 4 in room for 8
        assert_eq!(calibration.blocks[1].contract.factor.dims(), [64, 64]);
    }

    /// Against the difference that a small step makes, either way.
    #[test]
    fn gradients_at_the_embedding_are_those_of_the_loss_without_dropout() {
        const STEP: f32 = 0.02;
        let (model, text) = (without_head(), text(3));
        let gradients = values(gradients_at_embedding(&model.clone().freeze().train(), &text));
        let x = model.embed(text.inputs);
        let loss_after = |place: usize, step: f32| {
            let mut moved = values(x.clone());
            moved[place] += step;
            let moved = Tensor::from_data(TensorData::new(moved, [1, 12, 16]), &device::cpu());
            let loss = cross_entropy(model.logits(model.transform(moved)), text.targets.clone());
            loss.into_scalar::<f32>()
        };
        let largest = gradients.iter().fold(0.0f32, |largest, gradient| largest.max(gradient.abs()));
        for place in (0..12 * 16).step_by(17) {
            let expected = (loss_after(place, STEP) - loss_after(place, -STEP)) / (2.0 * STEP);
            let found = gradients[place];
            assert!((found - expected).abs() <= 0.02 * largest, "{place}: {found} {expected}, of {largest}");
        }
    }
}
