//! Layers of a transformer with derivatives in bf16, by libtorch: linear maps, causal attention, LayerNorm, and an output
//! head with its loss.
//!
//! A bf16 has the range of a float32 and 8 of its 24 bits. Processors with AVX512-BF16 or AMX, and GPUs, multiply it two
//! to sixteen times faster, and it is half as much to read and to keep. Sums within a product, the statistics of LayerNorm
//! and of softmax, the loss, and gradients of weights are float32; so are the weights themselves, of which each step makes
//! a copy in bf16.
//!
//! Micikevicius et al., "Mixed Precision Training" (2018), <https://arxiv.org/abs/1710.03740>; Kalamkar et al., "A Study of
//! BFLOAT16 for Deep Learning Training" (2019), <https://arxiv.org/abs/1905.12322>, by which no loss has to be scaled.
//!
//! Each function takes tensors with or without autodiff, and has the contract of [the folder above](super), up to the
//! rounding of bf16.

mod attention;
mod head;
mod linear;
mod norm;

use burn::backend::libtorch::TchTensor;
use tch::Kind::BFloat16;

pub use attention::causal_attention;
pub use head::head_loss;
pub use linear::linear;
pub use norm::layer_norm;

/// The numbers in bf16: the tensor itself, or a copy.
fn rounded(tensor: &TchTensor) -> TchTensor {
    if tensor.tensor.kind() == BFloat16 {
        return tensor.clone(); // shares its memory, and says so
    }
    TchTensor::new(tensor.tensor.to_kind(BFloat16))
}
