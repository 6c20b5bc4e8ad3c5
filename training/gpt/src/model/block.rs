//! Transformer block in the pre-LayerNorm form of GPT-2.
//!
//! LLMs-from-scratch, chapter 4. Xiong et al., "On Layer Normalization in the Transformer Architecture" (2020).

use artifact::GptConfig;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use super::attention::CausalSelfAttention;
use super::dropout::Dropout;
use super::feed_forward::FeedForward;
use super::layer_norm::LayerNorm;
use super::packing::Packing;

/// Attention, then a feed-forward layer. Each adds to its input rather than replacing it, which
/// keeps a straight path for the gradient through any number of blocks.
#[derive(Module, Debug)]
pub struct TransformerBlock {
    /// Before attention.
    pub norm1: LayerNorm,
    /// Gathers from other tokens.
    pub attention: CausalSelfAttention,
    /// Before the feed-forward layer.
    pub norm2: LayerNorm,
    /// Works on each token by itself.
    pub feed_forward: FeedForward,
    residual_dropout: Dropout,
}

impl TransformerBlock {
    /// A block with random weights.
    pub fn new(config: &GptConfig, device: &Device) -> Self {
        Self {
            norm1: LayerNorm::new(config.d_model, device),
            attention: CausalSelfAttention::new(config, device),
            norm2: LayerNorm::new(config.d_model, device),
            feed_forward: FeedForward::new(config, device),
            residual_dropout: Dropout::new(config.dropout),
        }
    }

    /// # Shapes
    /// - `x` and output: `[batch, seq, d_model]`
    /// - `mask`: `[seq, seq]`, see [`causal_mask`](super::causal_mask::causal_mask)
    pub fn forward(&self, x: Tensor<3>, mask: Tensor<2>) -> Tensor<3> {
        self.residual(x, |x| self.attention.forward(x, mask), |x| self.feed_forward.forward(x))
    }

    /// The same for texts one behind the other, which do not see each other.
    ///
    /// # Shapes
    /// - `x` and output: `[1, seq, d_model]`
    pub fn forward_packed(&self, x: Tensor<3>, packing: &Packing) -> Tensor<3> {
        self.residual(x, |x| self.attention.forward_packed(x, packing), |x| self.feed_forward.forward(x))
    }

    /// The two residual connections, around sub-layers that a caller may watch at work: each is given its
    /// normalized input. What they add up to stays float32, also of sub-layers in bf16.
    ///
    /// # Shapes
    /// - `x` and output, and those of both sub-layers: `[batch, seq, d_model]`
    pub fn residual(
        &self,
        x: Tensor<3>,
        attention: impl FnOnce(Tensor<3>) -> Tensor<3>,
        feed_forward: impl FnOnce(Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        let attended = attention(self.norm1.forward(x.clone()));
        let x = x + self.residual_dropout.forward(attended.cast(DType::F32));

        let transformed = feed_forward(self.norm2.forward(x.clone()));
        x + self.residual_dropout.forward(transformed.cast(DType::F32))
    }
}
