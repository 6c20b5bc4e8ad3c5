//! Token ids in, token ids out: runs an exported model with ONNX Runtime.
//!
//! - [`runtime`]: the ONNX Runtime library, loaded once in a process;
//! - [`model`]: a graph with its key-value cache: one run, some logits;
//! - [`generation`]: the loop from a prompt to its continuation;
//! - [`text`]: the text of ids as they come, up to a stop string.
//!
//! It knows nothing of HTTP or AWS.

pub mod error;
pub mod generation;
pub mod model;
pub mod runtime;
pub mod text;

pub use error::EngineError;
pub use generation::{Engine, FinishReason, Generation, GenerationOptions};
pub use model::{KvCache, OnnxModel};
pub use text::{Piece, TextStream};
