//! Matrix products with block-wise quantized weights (int4 or int8), in the format of `MatMulNBits`.
//!
//! ONNX Runtime's own kernel unpacks the weights again for every row, so that verifying a draft of four tokens or
//! reading a prompt is bound by unpacking. Here weights are laid out once, at loading (`weights`), so that one
//! instruction multiplies weights of 16 columns with activations that are the same for all of them (`activations`),
//! and several rows share what has been loaded and unpacked (`registers`). Decoding is bound by memory then, and
//! prompts by arithmetic; where the processor has AMX, int8 weights are multiplied by whole `tiles`. `multiply`
//! chooses between both.
//!
//! `matrix` is a matrix as an operator sees it, `shortlisted` an output head that is read in two passes
//! (`shortlist`).

mod activations;
mod format;
mod matrix;
mod multiply;
mod output;
mod registers;
mod shortlist;
mod shortlisted;
mod tiles;
mod weights;

pub use activations::Activations;
pub use format::{Format, MAX_BLOCK_SIZE};
pub use matrix::Matrix;
pub use shortlisted::ShortlistedMatrix;
pub use weights::PackedWeights;
