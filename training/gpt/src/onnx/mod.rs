//! Export to ONNX: a float32 graph for any runtime, and quantized graphs for serving.
//!
//! - [`graph`]: the nodes of a GPT in standard operators;
//! - [`quantized_graph`]: the same model for serving, small and fast, as a [`recipe`] says;
//! - [`quantize`] and [`gptq`]: weights as small integers, rounded alone or together;
//! - [`calibration`]: what GPTQ needs to know of a text, in a [`hessian`] for each matrix;
//! - [`cholesky`], `padding`, `parameter`: what these share;
//! - [`builder`], [`proto`], [`writer`]: a graph node by node, the messages of the format, the file;
//! - [`target`] and `external_data`: where it goes, and the file beside it for weights beyond 2 GB.
//!
//! ONNX: <https://onnx.ai/onnx/intro/concepts.html>.

pub mod builder;
pub mod calibration;
pub mod cholesky;
pub mod error;
mod external_data;
pub mod gptq;
pub mod graph;
pub mod hessian;
mod padding;
mod parameter;
pub mod proto;
pub mod quantize;
pub mod quantized_graph;
pub mod recipe;
pub mod target;
pub mod writer;

pub use calibration::Calibration;
pub use error::ExportError;
pub use graph::{check_exportable, export};
pub use quantized_graph::export_quantized;
pub use recipe::Recipe;
pub use target::Target;
