//! Multi-head causal self-attention: each token gathers from the tokens up to itself.
//!
//! LLMs-from-scratch, chapter 3. Vaswani et al., "Attention Is All You Need" (2017), <https://arxiv.org/abs/1706.03762>, section 3.2.

use artifact::GptConfig;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use super::dropout::Dropout;
use super::linear::Linear;
use super::packing::Packing;
use crate::device::{Arithmetic, bf16, fused, layers};

/// Each head lets every token ask (query) the tokens up to itself what they offer (key), and gather
/// what they hold (value) in proportion to how well the two match.
#[derive(Module, Debug)]
pub struct CausalSelfAttention {
    /// Queries: what a token looks for.
    pub query: Linear,
    /// Keys: what a token offers.
    pub key: Linear,
    /// Values: what a token gives to those that attend to it.
    pub value: Linear,
    /// Output projection, which mixes the heads.
    pub output: Linear,
    attention_dropout: Dropout,
    n_heads: usize,
    /// How it computes. By kernels, no attention weights are dropped.
    #[module(skip)]
    pub arithmetic: Arithmetic,
}

impl CausalSelfAttention {
    /// A layer with random weights.
    pub fn new(config: &GptConfig, device: &Device) -> Self {
        let d_model = config.d_model;
        Self {
            query: Linear::new(d_model, d_model, config.qkv_bias, device),
            key: Linear::new(d_model, d_model, config.qkv_bias, device),
            value: Linear::new(d_model, d_model, config.qkv_bias, device),
            output: Linear::new(d_model, d_model, true, device),
            attention_dropout: Dropout::new(config.dropout),
            n_heads: config.n_heads,
            arithmetic: Arithmetic::default(),
        }
    }

    /// `softmax(queries keys^T / sqrt(d_head) + mask) values`, for each head.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, seq, d_model]`
    /// - `mask`: `[seq, seq]`, see [`causal_mask`](super::causal_mask::causal_mask)
    pub fn forward(&self, x: Tensor<3>, mask: Tensor<2>) -> Tensor<3> {
        self.output.forward(self.context(x, mask))
    }

    /// Context vectors of all heads side by side: the input of the [output projection](Self::output).
    ///
    /// # Shapes
    /// - as for [`forward`](Self::forward)
    pub fn context(&self, x: Tensor<3>, mask: Tensor<2>) -> Tensor<3> {
        self.attend(self.project(x), mask)
    }

    /// The same for texts one behind the other, which do not see each other.
    ///
    /// # Shapes
    /// - `x` and output: `[1, seq, d_model]`
    pub fn forward_packed(&self, x: Tensor<3>, packing: &Packing) -> Tensor<3> {
        let context = packing.by_text(self.project(x), |inputs, mask| self.attend(inputs, mask));
        self.output.forward(context)
    }

    /// Queries, keys and values.
    fn project(&self, x: Tensor<3>) -> [Tensor<3>; 3] {
        [self.query.forward(x.clone()), self.key.forward(x.clone()), self.value.forward(x)]
    }

    /// Context vectors of queries, keys and values.
    ///
    /// # Shapes
    /// - `inputs` and output: `[batch, seq, d_model]`
    /// - `mask`: `[seq, seq]`
    fn attend(&self, inputs: [Tensor<3>; 3], mask: Tensor<2>) -> Tensor<3> {
        let dropout = |attn_weights| self.attention_dropout.forward(attn_weights);
        match self.arithmetic {
            Arithmetic::Primitives => self.gather(inputs, mask, dropout),
            Arithmetic::Kernels => layers::causal_attention(inputs, self.n_heads, |inputs| {
                self.gather(inputs, mask, |attn_weights| attn_weights)
            }),
            Arithmetic::Bf16 => {
                let share = self.attention_dropout.share();
                bf16::causal_attention(inputs, self.n_heads, share, |inputs| {
                    self.gather(inputs, mask, dropout)
                })
            }
        }
    }

    /// Attention weights, `softmax(queries keys^T / sqrt(d_head) + mask)`: in what proportion a token
    /// gathers from each.
    ///
    /// # Shapes
    /// - `x` and `mask`: as for [`forward`](Self::forward)
    /// - output: `[batch, n_heads, seq, seq]`
    pub fn weights(&self, x: Tensor<3>, mask: Tensor<2>) -> Tensor<4> {
        self.match_keys(self.query.forward(x.clone()), self.key.forward(x), mask)
    }

    /// Scores and attention weights are float32, products of the type of the inputs.
    ///
    /// # Shapes
    /// - queries, keys and values, and output: `[batch, seq, d_model]`
    fn gather(
        &self,
        [queries, keys, values]: [Tensor<3>; 3],
        mask: Tensor<2>,
        dropout: impl FnOnce(Tensor<4>) -> Tensor<4>,
    ) -> Tensor<3> {
        let [batch, seq, d_model] = values.dims();
        let attn_weights = dropout(self.match_keys(queries, keys, mask)); // [batch, n_heads, seq, seq]
        let attn_weights = attn_weights.cast(values.dtype());
        let values = self.split_heads(values); // [batch, n_heads, seq, d_head]
        let context_vec = attn_weights.matmul(values); // [batch, n_heads, seq, d_head]
        context_vec.swap_dims(1, 2).reshape([batch, seq, d_model])
    }

    /// # Shapes
    /// - `queries` and `keys`: `[batch, seq, d_model]`
    /// - output: `[batch, n_heads, seq, seq]`
    fn match_keys(&self, queries: Tensor<3>, keys: Tensor<3>, mask: Tensor<2>) -> Tensor<4> {
        let [_, _, d_model] = queries.dims();
        let d_head = d_model / self.n_heads;
        let queries = self.split_heads(queries); // [batch, n_heads, seq, d_head]
        let keys = self.split_heads(keys); // [batch, n_heads, seq, d_head]

        let queries = queries / (d_head as f64).sqrt();
        let attn_scores = queries.matmul(keys.swap_dims(2, 3)); // [batch, n_heads, seq, seq]
        softmax(attn_scores.cast(DType::F32) + mask.unsqueeze())
    }

    /// # Shapes
    /// - `x`: `[batch, seq, d_model]`
    /// - output: `[batch, n_heads, seq, d_head]`
    fn split_heads(&self, x: Tensor<3>) -> Tensor<4> {
        let [batch, seq, d_model] = x.dims();
        x.reshape([batch, seq, self.n_heads, d_model / self.n_heads]).swap_dims(1, 2)
    }
}

/// Softmax over the last dimension: `exp(x)` in proportion to its sum.
///
/// # Shapes
/// - `x` and output: `[.., n]`
fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    fused::softmax(x, softmax_from_primitives)
}

/// `exp(x - max(x)) / sum(exp(x - max(x)))`: without the largest number, which changes nothing, it
/// could overflow.
fn softmax_from_primitives<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let largest = x.clone().detach().max_dim(D - 1); // [.., 1]
    let powers = (x - largest).exp();
    powers.clone() / powers.sum_dim(D - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::device::testing::{self, assert_close, assert_same};
    use crate::model::causal_mask::causal_mask;

    #[test]
    fn the_fused_softmax_is_the_same() {
        let mask = || causal_mask(4, &device::cpu().autodiff()).unsqueeze();
        assert_same([2, 3, 4, 4], softmax, softmax_from_primitives);
        let masked = |scores: Tensor<4>| {
            let mask = if scores.device().is_autodiff() { mask() } else { mask().inner() };
            scores + mask
        };
        assert_same([2, 3, 4, 4], |x| softmax(masked(x)), |x| softmax_from_primitives(masked(x)));
    }

    /// As queries, keys and values, of more tokens than a block of AMX has, and of few. Scores are up to 30 here, so
    /// that softmax makes their errors larger.
    #[test]
    fn the_fused_attentions_are_the_same() {
        let config = GptConfig { d_model: 24, n_heads: 2, dropout: 0.0, ..tiny() };
        let attention = CausalSelfAttention::new(&config, &device::cpu());
        for seq in [5, 37] {
            let definition = |inputs: [Tensor<3>; 3]| {
                let mask = causal_mask(seq, &inputs[0].device());
                attention.gather(inputs, mask, |attn_weights| attn_weights)
            };
            let fused = |inputs| layers::causal_attention(inputs, 2, definition);
            let in_bf16 = |inputs: [Tensor<3>; 3]| inputs.map(|input| input.cast(DType::BF16));
            let rounded = |inputs| definition(in_bf16(inputs)).cast(DType::F32);
            let bf16 = |inputs| {
                let is_on_libtorch = |_| panic!("it is on libtorch");
                bf16::causal_attention(in_bf16(inputs), 2, 0.0, is_on_libtorch).cast(DType::F32)
            };
            for place in 0..3 {
                let inputs = |x: Tensor<3>| {
                    let numbers = |step| testing::numbers(&[2, seq, 24], step);
                    let mut inputs =
                        [0.3, 1.1, 1.7].map(|step| Tensor::from_data(numbers(step), &x.device()));
                    inputs[place] = x;
                    inputs
                };
                assert_close(1e-4, [2, seq, 24], |x| fused(inputs(x)), |x| definition(inputs(x)));
                let tolerance = 4.0 * testing::BF16;
                assert_close(tolerance, [2, seq, 24], |x| bf16(inputs(x)), |x| rounded(inputs(x)));
            }
        }
    }

    fn tiny() -> GptConfig {
        crate::preset::Preset::named("tiny", &[]).unwrap().model
    }
}
