//! Weights in and out: safetensors, PyTorch checkpoints of LLMs-from-scratch and nanoGPT, Hugging Face's GPT-2, GGUF.
//!
//! Reading, in this order:
//!
//! - `import`: a file of unknown origin becomes a model;
//! - `tensor_file`, with `safetensors`, `pytorch` and `stored_tensor`: named tensors, whatever the format; `shards`
//!   where they are in several files;
//! - `names`: name and layout of each parameter in a file;
//! - `shape` and `config_file`: the model's shape, from the tensors and a configuration beside them;
//! - `small_file`: a configuration or an index beside them; `chat_template`: how a conversation is written;
//! - `load`: the model with those weights.
//!
//! Writing: `safetensors`; `hugging_face` for a folder that transformers loads, with `tokenizer_export`; [`gguf`] for
//! llama.cpp. A model's `language` is its tokenizer with its chat template.

mod chat_template;
mod config_file;
mod error;
pub mod gguf;
mod hugging_face;
mod import;
mod language;
mod load;
mod names;
pub mod peft;
mod pytorch;
mod safetensors;
mod shape;
mod shards;
mod small_file;
mod stored_tensor;
mod tensor_file;
mod tokenizer_export;

pub use self::error::{ImportError, SaveError};
pub use self::hugging_face::export_hf;
pub use self::import::{Format, Imported, import, load};
pub use self::language::Language;
pub use self::names::pytorch_name;
pub use self::safetensors::save;
pub use self::shape::ImportOptions;
pub use self::tokenizer_export::write_tokenizer;

#[cfg(test)]
mod tests;
