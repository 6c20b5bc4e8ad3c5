//! Forward and backward passes of a transformer in float32, for training.
//!
//! - [`Multiplier`] multiplies float32 matrices, by AMX or in SIMD registers;
//! - [`causal_attention`] and its gradient are made of such products;
//! - [`NewtonSchulz`] makes matrices orthogonal, by such products too;
//! - [`layer_norm`], [`gelu_gradient`] and [`column_sums`] are what stands between;
//! - [`cross_entropy`] is the loss.
//!
//! Results do not depend on the number of threads: what is summed up across tasks is summed up in their order.

mod attention;
mod columns;
mod cross_entropy;
mod gelu;
mod layer_norm;
mod matrix;
mod multiply;
mod newton_schulz;
mod output;
mod registers;
mod tiles;

pub use attention::{AttentionGradients, CausalAttention};
pub use columns::column_sums;
pub use cross_entropy::cross_entropy;
pub use gelu::gelu_gradient;
pub use layer_norm::{LayerNormGradients, layer_norm, layer_norm_gradient};
pub use matrix::MatrixView;
pub use multiply::Multiplier;
pub use newton_schulz::NewtonSchulz;
