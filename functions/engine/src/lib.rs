//! Token ids in, token ids out: runs an exported model with ONNX Runtime.
//!
//! - [`runtime`]: the ONNX Runtime library, loaded once in a process;
//! - [`model`]: a graph with its key-value cache: one run, some logits;
//! - [`generation`]: the loop from a prompt to its continuation.
//!
//! It knows nothing of text, HTTP or AWS.

pub mod error;
pub mod generation;
pub mod model;
pub mod runtime;

pub use error::EngineError;
pub use generation::{Engine, FinishReason, Generation, GenerationOptions};
pub use model::{KvCache, OnnxModel};
