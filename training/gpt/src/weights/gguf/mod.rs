//! Export for llama.cpp: a GGUF file of the architecture `gpt2`, with float32 or float16 weights.
//!
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. It begins with [`metadata`], which has
//! the shape and the tokenizer, then describes the [`tensors`] and ends with their values; [`file`] puts it together.

pub mod file;
pub mod metadata;
pub mod tensors;

pub use file::export;
pub use tensors::Precision;
