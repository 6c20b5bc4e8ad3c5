//! Trains a GPT on a text, exports it to ONNX and publishes it to a store.
//!
//! - [`model`]: the network, from tensor primitives;
//! - [`corpus`]: from a file to batches of token ids;
//! - [`train`]: the training loop;
//! - [`weights`]: weights in and out, from and for PyTorch and Hugging Face too;
//! - [`onnx`]: the graph that serving runs.
//!
//! The binary `gpt` puts them together.

pub mod corpus;
pub mod device;
pub mod environment;
pub mod evaluate;
pub mod gate;
pub mod model;
pub mod onnx;
pub mod plot;
pub mod preset;
pub mod report;
pub mod train;
pub mod weights;

pub use corpus::{Batch, Dataset};
pub use model::Gpt;
pub use preset::Preset;
