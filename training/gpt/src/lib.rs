//! Trains a GPT on a text, exports it to ONNX and publishes it to a store.
//!
//! - [`model`]: the network, from tensor primitives;
//! - [`corpus`]: from a file to batches of token ids;
//! - [`tokenizer`]: GPT-2's, one of a file, or one trained on the texts;
//! - [`train`]: the training loop, told by a [`preset`];
//! - [`auto`]: the preset that a budget of time buys on a text;
//! - [`weights`]: weights in and out, from and for PyTorch and Hugging Face too;
//! - [`onnx`]: the graph that serving runs;
//! - [`release`]: from a model to a published version: exports, judgement, gate, report;
//! - [`device`]: the compute device, the one place that names libtorch.
//!
//! The binary `gpt` has a short file for each command.

pub mod auto;
pub mod chat;
pub mod corpus;
pub mod device;
pub mod environment;
pub mod finetune;
pub mod memory;
pub mod model;
pub mod onnx;
pub mod preset;
pub mod release;
pub mod tasks;
pub mod tokenizer;
pub mod train;
pub mod weights;

pub use corpus::{Batch, Dataset};
pub use model::Gpt;
pub use preset::Preset;
