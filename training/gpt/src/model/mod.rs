//! GPT-2 from tensor primitives, small parts first and the whole model last.
//!
//! Read it in this order: [`linear`], [`embedding`], [`layer_norm`], [`dropout`], [`mod@gelu`],
//! [`feed_forward`], [`attention`], [`block`], [`gpt`]; then [`loss`] for training and [`mod@generate`]
//! for text.
//!
//! [`packing`] puts texts of many lengths into one row, and [`lora`] and [`adapters`] learn a change of few
//! parameters in place of all.
//! Beside the model itself, [`init`] draws GPT-2's initial weights, and [`parameters`] walks over all
//! weights by name.
//!
//! Shapes are written as `[batch, seq, d_model]`: `batch` texts of `seq` tokens, each token a vector
//! of `d_model` numbers.

pub mod adapters;
mod affine;
pub mod attention;
pub mod block;
pub mod causal_mask;
pub mod dropout;
pub mod embedding;
pub mod feed_forward;
pub mod gelu;
pub mod generate;
pub mod gpt;
pub mod init;
pub mod layer_norm;
pub mod linear;
pub mod lora;
pub mod loss;
pub mod packing;
pub mod parameters;
mod vocabulary;

pub use adapters::Adapters;
pub use attention::CausalSelfAttention;
pub use block::TransformerBlock;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use feed_forward::FeedForward;
pub use gelu::{exact_gelu, gelu};
pub use generate::generate;
pub use gpt::Gpt;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use lora::{Lora, LoraSettings, LoraTarget};
pub use loss::cross_entropy;
pub use packing::Packing;
