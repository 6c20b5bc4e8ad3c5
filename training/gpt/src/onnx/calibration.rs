//! What errors of rounding cost a model, on a text.
//!
//! The cost of an error `e` of a row of weights is `e H e^T`, with a Hessian `H` that all rows of a matrix
//! share. Of a matrix that `x` is multiplied with, `H` is the second moments `x^T x`: then the cost is what
//! the error changes in the products. Of the token embedding, it is the second moments of the gradients of
//! the loss at its vectors: the empirical Fisher information, since nothing closer by is linear.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::quantized_graph::padded_head;
use super::writer::ExportError;
use crate::dataset::Batch;
use crate::device::linear_algebra::inverse_factor;
use crate::model::attention::causal_mask;
use crate::model::{Gpt, cross_entropy};

/// Of the mean of a Hessian's diagonal, what is added to it: a text with fewer tokens than a vector has
/// numbers says nothing about some directions.
const DAMPING: f32 = 0.01;

/// What errors in the rows of a matrix cost.
#[derive(Clone, Debug)]
pub struct Hessian {
    /// `[columns, columns]`, upper triangular: `factor^T factor` is the inverse.
    pub factor: Tensor<2>,
}

impl Hessian {
    /// # Shapes
    /// - `moments`: `[columns, columns]`, of any scale
    ///
    /// # Errors
    /// If they are not finite, or there is no memory.
    pub fn of_moments(moments: Tensor<2>) -> Result<Self, ExportError> {
        let [columns, _] = moments.dims();
        let identity = Tensor::eye(columns, &moments.device());
        let mean = (moments.clone() * identity.clone()).sum() / columns as f32;
        let mean: f32 = mean.into_scalar();
        if !mean.is_finite() {
            return Err(ExportError::NotFinite);
        }
        // Of as good as zeros alone: any error is as good as another.
        let damping = if mean < f32::MIN_POSITIVE / DAMPING { 1.0 } else { DAMPING * mean };
        Ok(Self { factor: inverse_factor(moments + identity * damping)? })
    }
}

/// Of the matrices of a transformer block.
#[derive(Clone, Debug)]
pub struct BlockHessians {
    /// Queries, keys and values.
    pub qkv: Hessian,
    /// What mixes the heads, each filled up to a width that the operator takes.
    pub attention_output: Hessian,
    /// The first half of the feed-forward layer.
    pub expand: Hessian,
    /// Its second half.
    pub contract: Hessian,
}

/// Of all matrices of a model.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The token embedding.
    pub embedding: Hessian,
    /// Each block.
    pub blocks: Vec<BlockHessians>,
    /// The output head.
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
            let (mut qkv, mut expand) = (moments(config.d_model), moments(config.d_model));
            let mut attention_output = moments(config.n_heads * padded_head(config));
            let mut contract = moments(config.d_ff);
            for x in &mut streams {
                let [_, seq, _] = x.dims();
                let normalised = block.norm1.forward(x.clone());
                qkv.add(&normalised);
                let context = block.attention.context(normalised, causal_mask(seq, &x.device()));
                attention_output.add(&with_padded_heads(
                    context.clone(),
                    config.n_heads,
                    padded_head(config),
                ));
                *x = x.clone() + block.attention.output.forward(context);
                let normalised = block.norm2.forward(x.clone());
                expand.add(&normalised);
                let hidden = block.feed_forward.hidden(normalised);
                contract.add(&hidden);
                *x = x.clone() + block.feed_forward.contract.forward(hidden);
            }
            blocks.push(BlockHessians {
                qkv: qkv.hessian()?,
                attention_output: attention_output.hessian()?,
                expand: expand.hessian()?,
                contract: contract.hessian()?,
            });
        }
        let mut head = moments(config.d_model);
        for x in streams {
            head.add(&model.final_norm.forward(x));
        }
        Ok(Self { embedding: embedding.hessian()?, blocks, head: head.hessian()? })
    }
}

/// How the loss changes with each number that comes out of the embedding.
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

/// A sum of `x^T x`.
struct Moments(Tensor<2>);

impl Moments {
    fn new(columns: usize, device: &Device) -> Self {
        Self(Tensor::zeros([columns, columns], device))
    }

    /// # Shapes
    /// - `x`: `[batch, seq, columns]`
    fn add(&mut self, x: &Tensor<3>) {
        let [batch, seq, columns] = x.dims();
        let x = x.clone().reshape([batch * seq, columns]);
        self.0 = self.0.clone() + x.clone().transpose().matmul(x);
    }

    fn hessian(self) -> Result<Hessian, ExportError> {
        Hessian::of_moments(self.0)
    }
}

/// Zeros after each head, up to a width of `padded`.
///
/// # Shapes
/// - `x`: `[batch, seq, n_heads * d_head]`
/// - output: `[batch, seq, n_heads * padded]`
fn with_padded_heads(x: Tensor<3>, n_heads: usize, padded: usize) -> Tensor<3> {
    let [batch, seq, width] = x.dims();
    let d_head = width / n_heads;
    let heads = x.reshape([batch, seq, n_heads, d_head]);
    let zeros = Tensor::zeros([batch, seq, n_heads, padded - d_head], &heads.device());
    Tensor::cat(vec![heads, zeros], 3).reshape([batch, seq, n_heads * padded])
}

#[cfg(test)]
mod tests {
    use artifact::GptConfig;
    use burn::module::Param;
    use burn::tensor::{Int, TensorData};

    use super::*;
    use crate::device;
    use crate::model::Linear;

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn heads_are_filled_up_one_by_one() {
        let x = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0], &device::cpu()).reshape([1, 1, 4]);
        assert_eq!(values(with_padded_heads(x, 2, 3)), [1.0, 2.0, 0.0, 3.0, 4.0, 0.0]);
    }

    #[test]
    fn moments_of_zeros_are_no_error_and_others_than_numbers_are() {
        let zeros = Tensor::zeros([2, 2], &device::cpu());
        assert_eq!(values(Hessian::of_moments(zeros.clone()).unwrap().factor), [1.0, 0.0, 0.0, 1.0]);
        let error = Hessian::of_moments(zeros + f32::NAN).unwrap_err();
        assert!(error.to_string().contains("not finite"), "{error}");
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
        };
        let device = device::cpu();
        let mut model = Gpt::new(&config, &device).valid();
        model.output_head = Some(Linear { weight: Param::from_tensor(Tensor::eye(16, &device)), bias: None });
        model
    }

    fn text(first: i64) -> Batch {
        let ids = |first| {
            let ids = Tensor::<1, Int>::arange(first..first + 12, &device::cpu());
            ids.remainder_scalar(16).reshape([1, 12])
        };
        Batch { inputs: ids(first), targets: ids(first + 1) }
    }

    #[test]
    fn the_blocks_are_walked_as_the_model_walks_them() {
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
