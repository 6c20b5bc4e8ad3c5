//! Arithmetic on slices for transformer inference: matrix products with int4 and int8 weights, attention, LayerNorm
//! and GELU, on AVX2, AVX-512 VNNI and AMX.
//!
//! It knows neither ONNX Runtime nor models. The kernels are made for a few rows at a time, and nothing in them
//! depends on how many: **a row gives the same bits alone and among others, and on every processor**, so that
//! neither speculative decoding nor a prefix cache can change a text.
//!
//! - [`Instructions`] is the instruction set, found at run time, and [`ThreadPool`] the threads: every kernel takes
//!   both;
//! - [`Matrix`] and [`ShortlistedMatrix`] multiply rows with quantized weights, which lie in an [`Arena`];
//! - [`attention`] is causal attention of several texts, with KV caches of half precision that are written in place;
//! - [`skip_layer_norm`] and [`gelu`] are what stands between them.
//!
//! [`training`] has what a training computes on float32, for which that promise is not made: sums of AMX's bf16 products
//! are its own.
//!
//! `simd` holds the registers that all of them are written for. The crate is empty except on x86-64.

#![cfg(target_arch = "x86_64")]
#![deny(clippy::undocumented_unsafe_blocks)]

mod arena;
mod attention;
mod error;
mod exp;
mod gelu;
mod instructions;
mod layer_norm;
mod matmul;
#[cfg(test)]
mod on_each;
mod simd;
mod thread_pool;
pub mod training;

pub use arena::Arena;
pub use attention::{
    AttentionBuffers, AttentionScratch, AttentionSegment, AttentionShape, MAX_D_HEAD, attention,
};
pub use error::WeightsError;
pub use gelu::gelu;
pub use instructions::{InstructionSet, Instructions};
pub use layer_norm::skip_layer_norm;
pub use matmul::{Activations, Format, MAX_BLOCK_SIZE, Matrix, PackedWeights, ShortlistedMatrix};
pub use simd::F16;
pub use thread_pool::ThreadPool;
