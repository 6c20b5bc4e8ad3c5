//! What training and serving must agree on.
//!
//! A trained model travels from the training job to the serving function as a folder of files in a
//! *store*. This crate holds everything both sides need to write and read it, and nothing more: no
//! tensors, no ONNX Runtime, no HTTP.
//!
//! - [`config`]: the shape of a GPT and the words for it;
//! - [`tokenizer`]: text to token ids and back;
//! - [`sampling`]: from logits to the next token id;
//! - [`draft`]: guesses at the next token ids;
//! - [`onnx`]: the names of the graph's inputs and outputs;
//! - [`manifest`]: what a model version consists of.

pub mod config;
pub mod draft;
pub mod hash;
pub mod manifest;
pub mod onnx;
pub mod sampling;
pub mod tokenizer;

pub use config::GptConfig;
pub use draft::DraftIndex;
pub use hash::Sha256Hex;
pub use manifest::Manifest;
pub use sampling::{Sampler, Sampling};
pub use tokenizer::Tokenizer;
