//! Token ids in, token ids out: runs an exported model with ONNX Runtime.
//!
//! - [`runtime`]: the ONNX Runtime library, loaded once in a process;
//! - [`model`]: a graph with its key-value cache: new ids in, some logits out (`cache`, `step`, `outline`), with
//!   `kernels` in place of ONNX Runtime's own where the processor allows it;
//! - [`engine`]: the loop from a prompt to its continuation, with `prefix_cache` for prompts that
//!   begin alike and [`speculation`] for guesses at what comes next;
//! - [`generation`]: what a generation takes and gives, [`inspection`]: what happens inside a model;
//! - [`text`]: the text of ids as they come, up to a stop string.
//!
//! It knows nothing of HTTP or AWS.

mod cache;
pub mod engine;
pub mod error;
pub mod generation;
pub mod inspection;
#[cfg(target_arch = "x86_64")]
mod kernels;
pub mod model;
mod outline;
mod prefix_cache;
pub mod runtime;
pub mod speculation;
mod step;
pub mod text;

pub use cache::CacheRows;
pub use engine::Engine;
pub use error::EngineError;
pub use generation::{FinishReason, Generation, GenerationOptions, Token, Work};
pub use inspection::Inspection;
pub use model::{Kernels, LoadTimes, OnnxModel};
pub use speculation::{CorpusDrafter, Drafter};
pub use text::{Piece, TextStream};
