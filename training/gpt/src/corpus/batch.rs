//! Batch of token ids: inputs, and the ids that follow them.

use burn::tensor::{Int, Tensor};

use crate::model::{Gpt, Packing};

/// Inputs and the ids that follow them: windows of a text, or conversations one behind the other.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[batch, seq]`; `[1, seq]` of conversations.
    pub inputs: Tensor<2, Int>,
    /// `[batch, seq]`: `targets[.., i]` follows `inputs[.., i]` in the text. `[1, n]` of conversations: what follows those
    /// that count.
    pub targets: Tensor<2, Int>,
    /// Bytes of the text that the targets stand for.
    pub target_bytes: usize,
    /// Which conversation each token is in, and what of them counts; none of windows.
    pub packing: Option<Packing>,
}

impl Batch {
    /// Number of ids that are predicted.
    pub fn n_targets(&self) -> usize {
        self.targets.shape().num_elements()
    }

    /// Mean cross-entropy of a model at the targets.
    ///
    /// # Shapes
    /// - output: `[1]`
    pub fn loss(self, model: &Gpt) -> Tensor<1> {
        match &self.packing {
            None => model.loss(self.inputs, self.targets),
            Some(packing) => model.packed_loss(self.inputs, self.targets, packing),
        }
    }

    /// The logits of a model for the targets.
    ///
    /// # Shapes
    /// - output: as the targets, and `vocab_size`
    pub fn logits(&self, model: &Gpt) -> Tensor<3> {
        match &self.packing {
            None => model.forward(self.inputs.clone()),
            Some(packing) => model.packed_forward(self.inputs.clone(), packing),
        }
    }
}
