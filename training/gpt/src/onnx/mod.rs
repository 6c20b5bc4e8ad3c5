//! Writes a model as an ONNX graph.
//!
//! - [`proto`]: the messages of the ONNX format;
//! - [`builder`]: a graph, node by node;
//! - [`graph`]: the nodes of a GPT;
//! - [`writer`]: the file, one weight at a time.
//!
//! ONNX: <https://onnx.ai/onnx/intro/concepts.html>.

pub mod builder;
pub mod graph;
pub mod proto;
pub mod writer;

pub use graph::export;
pub use writer::ExportError;
