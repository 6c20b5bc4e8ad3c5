//! Weight initialization of GPT-2, an alternative to PyTorch's that the layers draw by themselves.
//!
//! Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), section 2.3: small
//! weights, and smaller ones where a block adds to the residual stream, so that the sum over all
//! blocks keeps its size.

use burn::module::Param;
use burn::tensor::{Distribution, Tensor};

use super::gpt::Gpt;
use super::parameters::{self, ParameterMapper, ParameterPath};

const STANDARD_DEVIATION: f64 = 0.02;

/// Draws the weights of a model anew: normal with standard deviation 0.02, projections into the
/// residual stream divided by `sqrt(2 n_layers)`, biases 0. LayerNorms stay as they are.
pub fn gpt2(model: Gpt) -> Gpt {
    let residual_scale = 1.0 / (2.0 * model.config().n_layers as f64).sqrt();
    parameters::map(model, Gpt2 { residual_scale }).0
}

struct Gpt2 {
    residual_scale: f64,
}

impl ParameterMapper for Gpt2 {
    fn map<const D: usize>(&mut self, path: &ParameterPath, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let standard_deviation = match (path.layer(), path.field()) {
            (_, "bias") => 0.0,
            ("output" | "contract", "weight") => STANDARD_DEVIATION * self.residual_scale,
            (_, "weight") => STANDARD_DEVIATION,
            _ => return param,
        };
        param.map(|old| {
            let drawn = old.random_like(Distribution::Normal(0.0, 1.0)) * standard_deviation;
            drawn.detach().set_require_grad(old.is_require_grad())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use artifact::GptConfig;
    use artifact::config::Activation;

    fn deviation<const D: usize>(param: &Param<Tensor<D>>) -> f32 {
        param.val().square().mean().sqrt().into_scalar()
    }

    #[test]
    fn weights_have_the_deviations_of_the_paper() {
        let config = GptConfig {
            vocab_size: 500,
            context_length: 100,
            d_model: 64,
            n_layers: 8,
            n_heads: 4,
            d_ff: 256,
            dropout: 0.0,
            qkv_bias: false,
            tied_output_head: false,
            activation: Activation::default(),
        };
        let model = gpt2(Gpt::new(&config, &device::cpu().autodiff()));
        let block = &model.blocks[3];
        for (found, expected) in [
            (deviation(&model.token_embedding.weight), 0.02),
            (deviation(&block.attention.query.weight), 0.02),
            (deviation(&block.attention.output.weight), 0.02 / 4.0), // sqrt(2 * 8)
            (deviation(&block.feed_forward.contract.weight), 0.02 / 4.0),
            (deviation(&block.norm1.scale), 1.0),
        ] {
            assert!((found / expected - 1.0).abs() < 0.05, "{found} != {expected}");
        }
        let bias = block.feed_forward.expand.bias.as_ref().unwrap();
        assert_eq!(deviation(bias), 0.0);
        assert!(bias.val().is_require_grad());
    }
}
