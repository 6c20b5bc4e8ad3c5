//! Kernels that a model can run on.

/// The kernels that the operators of a model run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// ONNX Runtime's own.
    OnnxRuntime,
    /// Those of the crate `kernels`, for processors with AVX2.
    Avx2,
    /// Those of the crate `kernels`, for processors with AVX-512 VNNI. They give the same bits.
    Avx512,
}
