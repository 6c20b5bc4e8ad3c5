//! Weights in and out: safetensors, PyTorch checkpoints of LLMs-from-scratch, Hugging Face's GPT-2.
//!
//! Reading, in this order:
//!
//! - `import`: a file of unknown origin becomes a model;
//! - `tensor_file`, with `safetensors`, `pytorch` and `stored_tensor`: named tensors, whatever the format;
//! - `names`: name and layout of each parameter in a file;
//! - `shape` and `config_file`: the model's shape, from the tensors and a configuration beside them;
//! - `load`: the model with those weights.
//!
//! Writing: `safetensors`, and `hugging_face` for a folder that transformers loads.

mod config_file;
mod error;
mod hugging_face;
mod import;
mod load;
mod names;
mod pytorch;
mod safetensors;
mod shape;
mod stored_tensor;
mod tensor_file;

pub use self::error::{ImportError, SaveError};
pub use self::hugging_face::export_hf;
pub use self::import::{Format, Imported, import, load};
pub use self::names::pytorch_name;
pub use self::safetensors::save;
pub use self::shape::ImportOptions;

#[cfg(test)]
mod tests;
