//! Operators for ONNX Runtime on the crate `kernels`, in place of ONNX Runtime's own.
//!
//! They have the names, the inputs and the formats of ONNX Runtime's
//! (<https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>), which run where the processor
//! has no AVX2: models need not know of them. Each checks its inputs and hands slices to a kernel.
//!
//! - `matmul` is `MatMulNBits`, `attention` `GroupQueryAttention`, `layer_norm` `SkipLayerNormalization`, `gelu`
//!   `FastGelu`;
//! - `context` is how they read and write tensors, `caught` how their panics become errors;
//! - `domain` registers them.

mod attention;
mod caught;
mod context;
mod domain;
mod gelu;
mod layer_norm;
mod matmul;

pub(crate) use domain::operators;
