//! LoRA (low-rank adaptation): a change of a linear map that has few parameters.
//!
//! Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021), <https://arxiv.org/abs/2106.09685>. The weight
//! stays as it is, and `scale * A B` is learned in addition: it has a gradient, an optimizer's state and a place in
//! checkpoints, and the weight has none.

use artifact::GptConfig;
use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Tensor};
use serde::{Deserialize, Serialize};

use super::affine;
use super::dropout::Dropout;
use crate::device::Arithmetic;

/// Which linear maps are adapted, and by how much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraSettings {
    /// Columns of `A` and rows of `B`; `r` in peft.
    pub rank: usize,
    /// `scale` is `alpha / rank`.
    pub alpha: f64,
    /// Share of the inputs of `A` that is dropped in training.
    pub dropout: f64,
    /// The linear maps of each block that are adapted.
    pub targets: Vec<LoraTarget>,
}

impl Default for LoraSettings {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, dropout: 0.0, targets: LoraTarget::ALL.to_vec() }
    }
}

impl LoraSettings {
    /// What `A B` is multiplied by.
    pub fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
    }

    /// Numbers that are learned in a model of this shape.
    pub fn num_parameters(&self, model: &GptConfig) -> usize {
        let widths = |target: &LoraTarget| match target {
            LoraTarget::Expand | LoraTarget::Contract => model.d_model + model.d_ff,
            _ => 2 * model.d_model,
        };
        model.n_layers * self.rank * self.targets.iter().map(widths).sum::<usize>()
    }
}

/// A linear map of a transformer block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoraTarget {
    /// To queries; with the two that follow, `c_attn` in Hugging Face's GPT-2.
    Query,
    /// To keys.
    Key,
    /// To values.
    Value,
    /// Output projection of attention, `attn.c_proj`.
    Output,
    /// First layer of the feed-forward network, `mlp.c_fc`.
    Expand,
    /// Second layer of the feed-forward network, `mlp.c_proj`.
    Contract,
}

impl LoraTarget {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Query, Self::Key, Self::Value, Self::Output, Self::Expand, Self::Contract];
}

/// A low-rank change of a linear map.
#[derive(Module, Debug)]
pub struct Lora {
    /// `[d_in, rank]`
    pub a: Param<Tensor<2>>,
    /// `[rank, d_out]`
    pub b: Param<Tensor<2>>,
    dropout: Dropout,
    scale: f64,
}

impl Lora {
    /// A change that does nothing yet: `A` is drawn from the uniform distribution over `±1/sqrt(d_in)`, as peft does, and
    /// `B` is zero.
    pub fn new([d_in, d_out]: [usize; 2], settings: &LoraSettings, device: &Device) -> Self {
        let bound = 1.0 / (d_in as f64).sqrt();
        let uniform = Distribution::Uniform(-bound, bound);
        let a = Tensor::random([d_in, settings.rank], uniform, device);
        Self::of([a, Tensor::zeros([settings.rank, d_out], device)], settings)
    }

    /// The change by these matrices.
    ///
    /// # Shapes
    /// - `[d_in, rank]` and `[rank, d_out]`
    pub fn of([a, b]: [Tensor<2>; 2], settings: &LoraSettings) -> Self {
        Self {
            a: Param::from_tensor(a),
            b: Param::from_tensor(b),
            dropout: Dropout::new(settings.dropout),
            scale: settings.scale(),
        }
    }

    /// What it adds to the linear map of `x`.
    ///
    /// # Shapes
    /// - `x`: `[n, d_in]`
    /// - output: `[n, d_out]`
    pub(super) fn forward(&self, arithmetic: Arithmetic, x: Tensor<2>) -> Tensor<2> {
        let low = affine::map(arithmetic, self.dropout.forward(x), self.a.val(), None); // [n, rank]
        affine::map(arithmetic, low, self.b.val(), None) * self.scale
    }

    /// What it adds to the weight.
    ///
    /// # Shapes
    /// - output: `[d_in, d_out]`
    pub fn change(&self) -> Tensor<2> {
        self.a.val().matmul(self.b.val()) * self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::model::Linear;

    /// x (W + 2 A B), with A = [1, 2] and B = [3; 4] as rank 1: A B is [[3, 4], [6, 8]].
    #[test]
    fn adds_a_multiple_of_the_product_of_two_thin_matrices() {
        let device = device::cpu();
        let matrix = |numbers: [[f32; 2]; 2]| Tensor::<2>::from_floats(numbers, &device);
        let settings = LoraSettings { rank: 1, alpha: 2.0, ..LoraSettings::default() };
        let a = Tensor::<2>::from_floats([[1.0], [2.0]], &device);
        let b = Tensor::<2>::from_floats([[3.0, 4.0]], &device);
        let linear = Linear {
            weight: Param::from_tensor(matrix([[1.0, 0.0], [0.0, 1.0]])),
            bias: None,
            lora: Some(Lora::of([a, b], &settings)),
            arithmetic: Arithmetic::default(),
        };
        let x = Tensor::<3>::from_floats([[[1.0, 0.0], [0.0, 1.0]]], &device);
        let y = linear.forward(x).into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(y, [7.0, 8.0, 12.0, 17.0]);
    }
}
