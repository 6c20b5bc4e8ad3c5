//! Export for Hugging Face: a folder that `GPT2LMHeadModel.from_pretrained` of transformers loads.

use std::fs;
use std::path::Path;

use artifact::GptConfig;
use artifact::config::LAYER_NORM_EPSILON;
use burn::tensor::TensorData;
use serde_json::{Value, json};
use store::{AtomicFolder, PathError};

use super::config_file::CONFIG;
use super::error::SaveError;
use super::names::Names;
use super::safetensors::{Columns, SAFETENSORS, collect, write};
use crate::model::Gpt;

/// Writes a model in Hugging Face's format: weights and configuration.
///
/// GPT-2 has a bias on queries, keys and values; a model without one gets zeros, which compute the
/// same.
///
/// # Errors
/// If the folder exists already or cannot be written; then nothing of it is left behind.
pub fn export_hf(model: &Gpt, folder: &Path) -> Result<(), SaveError> {
    let exists = || SaveError::Exists { path: folder.to_owned() };
    if folder.exists() {
        return Err(exists());
    }
    let staged = AtomicFolder::beside(folder)?;

    let names = Names::hugging_face();
    let mut tensors = collect(model, names.clone());
    let config = model.config();
    for block in 0..config.n_layers {
        let bias = names.place(&format!("blocks.{block}.attention.query.bias"), false).name;
        let width = 3 * config.d_model;
        tensors.entry(bias).or_insert_with(|| zeros(width));
    }
    write(tensors, &staged.path().join(SAFETENSORS))?;
    let path = staged.path().join(CONFIG);
    fs::write(&path, format!("{:#}\n", configuration(config))).map_err(PathError::at(&path))?;
    if staged.commit_new(folder)? { Ok(()) } else { Err(exists()) }
}

/// `config.json` in the words of transformers.
fn configuration(config: &GptConfig) -> Value {
    // GPT-2's own vocabulary has a token between texts; another may have none.
    let end_of_text = (config.vocab_size == artifact::tokenizer::END_OF_TEXT as usize + 1)
        .then_some(artifact::tokenizer::END_OF_TEXT);
    json!({
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "dtype": "float32",
        "vocab_size": config.vocab_size,
        "n_positions": config.context_length,
        "n_embd": config.d_model,
        "n_layer": config.n_layers,
        "n_head": config.n_heads,
        "n_inner": config.d_ff,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": LAYER_NORM_EPSILON,
        "attn_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "tie_word_embeddings": config.tied_output_head,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
    })
}

/// A bias of zeros.
fn zeros(width: usize) -> Columns {
    let mut columns = Columns::default();
    columns.push(vec![width], move || TensorData::zeros::<f32, _>([width]));
    columns
}
