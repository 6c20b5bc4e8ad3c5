//! Writes a model as an ONNX graph.
//!
//! - [`proto`]: the messages of the ONNX format;
//! - [`builder`]: a graph, node by node;
//! - [`graph`]: the nodes of a GPT in standard operators, for any runtime;
//! - [`quantize`] and [`quantized_graph`]: the same model for serving, small and fast;
//! - [`writer`]: the file, one weight at a time.
//!
//! ONNX: <https://onnx.ai/onnx/intro/concepts.html>.

pub mod builder;
pub mod graph;
pub mod proto;
pub mod quantize;
pub mod quantized_graph;
pub mod writer;

pub use graph::export;
pub use quantized_graph::{Recipe, export_quantized};
pub use writer::ExportError;
