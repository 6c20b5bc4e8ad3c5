//! Text generation with a served model: loading and swapping it, the request queue, continuations.
//!
//! - [`source`]: where the model comes from, [`resources`]: threads and memory for it;
//! - [`served_model`]: one loaded version, with its [`parts`]; [`models`]: which one is served, loaded and swapped in the
//!   background ([`wanted`], [`attempts`], [`progress`], [`load_failure`], [`back_off`]), and perhaps a [`challenger`];
//! - [`queue`]: how many requests generate, and how many wait;
//! - [`pipeline`]: the one way from a [`Prompt`](prompt::Prompt), which may be of a [`chat`], to its [`continuation`], through the
//!   queue, the tokenizer and [`generation`], [`scoring`] of the prompt before it; also to an [`inspection`];
//! - [`error`]: why a request gets none;
//! - [`telemetry`]: metrics of loading and generation.
//!
//! Nothing here knows of HTTP or of the platform that the process runs on.

pub mod attempts;
pub mod back_off;
pub mod blocking;
pub mod challenger;
pub mod chat;
pub mod continuation;
pub mod error;
pub mod generation;
pub mod inspection;
pub mod load_failure;
pub mod models;
pub mod parts;
pub mod pipeline;
pub mod progress;
pub mod prompt;
pub mod queue;
pub mod resources;
pub mod scoring;
pub mod seed;
pub mod served_model;
pub mod source;
pub mod telemetry;
pub mod wanted;

pub use models::Models;
pub use pipeline::Pipeline;
pub use resources::Resources;
pub use source::Source;
