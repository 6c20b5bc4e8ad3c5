//! Feed-forward layer of a transformer block: it works on each token by itself.
//!
//! LLMs-from-scratch, chapter 4.

use artifact::GptConfig;
use artifact::config::Activation;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::gelu::{exact_gelu, gelu};
use super::linear::Linear;
use crate::device::{Arithmetic, layers};

/// Two linear maps with a GELU between them, applied to each token on its own.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `d_model` to `d_ff`
    pub expand: Linear,
    /// `d_ff` to `d_model`
    pub contract: Linear,
    #[module(skip)]
    activation: Activation,
    /// How the activation is computed.
    #[module(skip)]
    pub arithmetic: Arithmetic,
}

impl FeedForward {
    /// A layer with random weights.
    pub fn new(config: &GptConfig, device: &Device) -> Self {
        Self {
            expand: Linear::new(config.d_model, config.d_ff, true, device),
            contract: Linear::new(config.d_ff, config.d_model, true, device),
            activation: config.activation,
            arithmetic: Arithmetic::default(),
        }
    }

    /// # Shapes
    /// - `x` and output: `[batch, seq, d_model]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.contract.forward(self.hidden(x))
    }

    /// Hidden activations between the two maps: the input of [`contract`](Self::contract).
    ///
    /// # Shapes
    /// - `x`: `[batch, seq, d_model]`
    /// - output: `[batch, seq, d_ff]`
    pub fn hidden(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.expand.forward(x);
        match self.activation {
            Activation::GeluTanh if self.arithmetic == Arithmetic::Kernels => layers::gelu(x, gelu),
            Activation::GeluTanh => gelu(x),
            Activation::Gelu => exact_gelu(x),
        }
    }
}
