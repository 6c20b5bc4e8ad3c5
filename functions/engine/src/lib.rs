//! Text generation with ONNX Runtime: token ids in, token ids out, with a KV cache and speculative decoding.
//!
//! - [`runtime`] is the ONNX Runtime library, loaded once in a process, and `session` a graph in it, whose weights
//!   `outline` leaves in their file;
//! - `graph` runs it: new positions of some texts in, some logits out (`step`), each text with a KV `cache` of its own,
//!   on `operators` of our own in place of ONNX Runtime's where the processor allows it (`kernel_set`), which look at the
//!   `plan` of the pass; [`model`] is a graph with one text. What these have copied, the `mapping` of the file lets go;
//! - [`engine`] is the way from a prompt to its `continuation`, which a [`sink`] takes. Its thread runs many at once
//!   ([`scheduler`]), with `prefix_cache` for prompts that begin alike and [`speculation`] for drafts of what comes next;
//! - [`generation`] has the options and results of a generation, [`inspection`] the activations inside a model;
//! - [`text`] decodes ids as they come, up to a stop string.
//!
//! It knows nothing of HTTP or AWS.

#![deny(clippy::undocumented_unsafe_blocks)]

mod cache;
mod continuation;
pub mod engine;
pub mod error;
pub mod generation;
mod graph;
pub mod inspection;
mod kernel_set;
#[cfg(target_arch = "x86_64")]
mod mapping;
pub mod model;
#[cfg(target_arch = "x86_64")]
mod operators;
mod outline;
mod plan;
mod prefix_cache;
pub mod runtime;
pub mod scheduler;
mod session;
pub mod sink;
pub mod speculation;
mod step;
pub mod text;
mod threads;

pub use cache::CacheRows;
pub use engine::{Engine, Limits, TextRequest};
pub use error::EngineError;
pub use generation::{FinishReason, Generation, GenerationOptions, Token, Work};
pub use inspection::Inspection;
pub use kernel_set::Kernels;
pub use model::OnnxModel;
pub use scheduler::occupancy::Occupancy;
pub use session::LoadTimes;
pub use sink::Sink;
pub use speculation::{CorpusDrafter, Drafter};
pub use text::{Characters, Piece, TextStream};
