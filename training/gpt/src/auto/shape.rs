//! Shapes of models that `auto` chooses from.

use artifact::GptConfig;
use artifact::config::Activation;

/// Layers and width of the shapes above the smallest: depth and width grow together, as in GPT-2.
const LARGER: [(usize, usize); 11] = [
    (2, 96),
    (3, 96),
    (3, 128),
    (4, 128),
    (4, 192),
    (6, 192),
    (6, 256),
    (6, 384),
    (8, 512),
    (12, 512),
    (12, 768),
];
/// Width of a head: narrow models have small heads, so that they have several.
const D_HEAD: usize = 32;
const D_HEAD_OF_WIDE: usize = 64;
/// From this width on, heads are those of GPT-2.
const WIDE: usize = 384;

/// Layers and width of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of transformer blocks.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
}

impl Shape {
    /// The smallest shape.
    pub const SMALLEST: Self = Self { n_layers: 2, d_model: 64 };

    /// All larger ones, smallest first.
    pub fn larger() -> impl Iterator<Item = Self> {
        LARGER.into_iter().map(|(n_layers, d_model)| Self { n_layers, d_model })
    }

    /// Parameters in the transformer blocks' matrices: the part of a model that grows with the square of its width.
    pub fn block_parameters(self) -> usize {
        12 * self.n_layers * self.d_model * self.d_model
    }

    /// The configuration of a model of this shape.
    pub fn config(self, vocab_size: usize, context_length: usize, dropout: f64) -> GptConfig {
        let d_head = if self.d_model < WIDE { D_HEAD } else { D_HEAD_OF_WIDE };
        GptConfig {
            vocab_size,
            context_length,
            d_model: self.d_model,
            n_layers: self.n_layers,
            n_heads: self.d_model / d_head,
            d_ff: 4 * self.d_model,
            dropout,
            qkv_bias: false,
            // The table is much of a small model.
            tied_output_head: true,
            activation: Activation::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_a_model_and_larger_than_the_one_before() {
        let shapes = [Shape::SMALLEST].into_iter().chain(Shape::larger());
        let configs: Vec<GptConfig> = shapes.map(|shape| shape.config(2048, 128, 0.0)).collect();
        assert!(configs.iter().all(|config| config.validate().is_ok()));
        assert!(configs.is_sorted_by(|a, b| a.num_parameters() < b.num_parameters()));
        // 12 layers, 768 wide: GPT-2's heads.
        assert_eq!(configs.last().unwrap().n_heads, 12);
    }
}
