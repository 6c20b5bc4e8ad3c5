//! Model artifacts: the formats and algorithms that training and serving share.
//!
//! A trained model travels from the training job to the serving function as a folder of files. This
//! crate holds what both sides need to write and read it: no network, no tensors, no ONNX Runtime.
//!
//! - [`chat`]: conversations as token ids;
//! - [`config`]: the dimensions of a GPT, with their names in other code bases;
//! - [`tokenizer`]: text to token ids and back;
//! - [`sampling`]: the next token id from logits;
//! - [`draft`]: drafts for speculative decoding;
//! - [`onnx`]: the names of the graph's inputs and outputs;
//! - [`manifest`]: the contents of a model version;
//! - [`hash`]: SHA-256 digests.

pub mod chat;
pub mod config;
pub mod draft;
pub mod hash;
pub mod manifest;
pub mod onnx;
pub mod sampling;
pub mod tokenizer;

pub use chat::ChatTemplate;
pub use config::GptConfig;
pub use draft::DraftIndex;
pub use hash::Sha256Hex;
pub use manifest::Manifest;
pub use sampling::{Sampler, Sampling};
pub use tokenizer::Tokenizer;
