//! Causal attention with a KV cache, of several texts at once: `attend` checks the shapes, `head` computes a head, in `blocks` of 16 positions.

mod attend;
mod blocks;
mod head;
mod memory;

pub use attend::{AttentionBuffers, AttentionScratch, AttentionSegment, AttentionShape, attention};
pub use memory::MAX_D_HEAD;
