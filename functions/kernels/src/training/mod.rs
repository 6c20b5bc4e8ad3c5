//! Forward and backward passes of a transformer in float32, for training.
//!
//! - [`Multiplier`] multiplies float32 matrices by AMX;
//! - [`causal_attention`] and its gradient are made of such products;
//! - [`layer_norm`], [`gelu_gradient`] and [`column_sums`] are what stands between.
//!
//! Results do not depend on the number of threads: what is summed up across tasks is summed up in their order.

mod attention;
mod columns;
mod gelu;
mod layer_norm;
mod matrix;
mod multiply;

pub use attention::{AttentionGradients, CausalAttention};
pub use columns::column_sums;
pub use gelu::gelu_gradient;
pub use layer_norm::{LayerNormGradients, layer_norm, layer_norm_gradient};
pub use matrix::MatrixView;
pub use multiply::Multiplier;
