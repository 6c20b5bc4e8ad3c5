//! Quantization recipes: precision and block size of each kind of matrix in a served model.

use super::quantize::Blocks;

/// Precision of the matrices of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Of the transformer blocks.
    pub body: Blocks,
    /// Of the output head.
    pub head: Blocks,
    /// Of the token embedding.
    pub embedding: Blocks,
}

impl Recipe {
    /// int8 weights (w8). Errors of the embedding go through the whole model, and its scales cost no
    /// arithmetic: there blocks are smallest. Elsewhere block size matters little under GPTQ.
    pub const W8: Self = Self {
        body: Blocks { bits: 8, block_size: 128 },
        head: Blocks { bits: 8, block_size: 64 },
        embedding: Blocks { bits: 8, block_size: 16 },
    };
    /// int4 weights (w4) in the transformer blocks, where most weights are. With a head and an embedding of 4 bits too, the divergence
    /// from the model was four times as large; smaller blocks are slower without being much closer.
    pub const W4: Self = {
        let outer = Blocks { bits: 8, block_size: 256 };
        Self { body: Blocks { bits: 4, block_size: 256 }, head: outer, embedding: outer }
    };
}
