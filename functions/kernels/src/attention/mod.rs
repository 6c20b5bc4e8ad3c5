//! Causal attention with a KV cache: `attend` checks the shapes, `head` computes a head, in `blocks` of 16 positions.

mod attend;
mod blocks;
mod head;
mod memory;

pub use attend::{AttentionBuffers, AttentionScratch, AttentionShape, attention};
pub use memory::MAX_D_HEAD;
