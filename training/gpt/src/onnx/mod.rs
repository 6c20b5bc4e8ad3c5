//! Writes a model as an ONNX graph.
//!
//! - [`proto`]: the messages of the ONNX format;
//! - [`builder`]: a graph, node by node;
//! - [`graph`]: the nodes of a GPT in standard operators, for any runtime;
//! - [`quantized_graph`]: the same model for serving, small and fast;
//! - [`quantize`]: its weights as small integers;
//! - [`calibration`]: what rounding them costs the model, on a text;
//! - [`writer`]: the file, one weight at a time.
//!
//! ONNX: <https://onnx.ai/onnx/intro/concepts.html>.

pub mod builder;
pub mod calibration;
pub mod graph;
pub mod proto;
pub mod quantize;
pub mod quantized_graph;
pub mod writer;

pub use calibration::Calibration;
pub use graph::export;
pub use quantized_graph::{Recipe, export_quantized};
pub use writer::ExportError;
