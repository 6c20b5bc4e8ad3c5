//! Export for Hugging Face: a folder that `AutoModelForCausalLM`, `AutoTokenizer` and `pipeline` of transformers load.

use std::path::Path;

use artifact::GptConfig;
use artifact::config::{Activation, LAYER_NORM_EPSILON};
use burn::tensor::TensorData;
use serde_json::{Value, json};
use store::AtomicFolder;

use super::config_file::CONFIG;
use super::error::SaveError;
use super::language::Language;
use super::names::Names;
use super::safetensors::{Columns, SAFETENSORS, collect, write};
use super::tokenizer_export::{write_json, write_tokenizer};
use crate::model::Gpt;

/// File name of what transformers generates texts with.
const GENERATION_CONFIG: &str = "generation_config.json";

/// Writes a model in Hugging Face's format: weights, configuration, and its language if it has one.
///
/// GPT-2 has a bias on queries, keys and values; a model without one gets zeros, which compute the
/// same.
///
/// # Errors
/// If the folder exists already or cannot be written; then nothing of it is left behind.
pub fn export_hf(model: &Gpt, language: Option<Language<'_>>, folder: &Path) -> Result<(), SaveError> {
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
    write_json(&configuration(config, language), &staged.path().join(CONFIG))?;
    write_json(&generation(config, language)?, &staged.path().join(GENERATION_CONFIG))?;
    if let Some(language) = language {
        write_tokenizer(language, config.context_length, staged.path())?;
    }
    if staged.commit_new(folder)? { Ok(()) } else { Err(exists()) }
}

/// `config.json` in the words of transformers.
fn configuration(config: &GptConfig, language: Option<Language<'_>>) -> Value {
    let end_of_text = language.and_then(|language| language.tokenizer.end_of_text());
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
        "activation_function": match config.activation {
            Activation::GeluTanh => "gelu_new",
            Activation::Gelu => "gelu",
        },
        "layer_norm_epsilon": LAYER_NORM_EPSILON,
        "attn_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "tie_word_embeddings": config.tied_output_head,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
    })
}

/// `generation_config.json`. Texts end where an answer does, too. Ids beyond the tokenizer's, with which a vocabulary is
/// filled up, are not to be drawn.
fn generation(config: &GptConfig, language: Option<Language<'_>>) -> Result<Value, SaveError> {
    let Some(language) = language else { return Ok(json!({})) };
    let tokenizer = language.tokenizer;
    let end_of_text = tokenizer.end_of_text();
    let mut generation = json!({
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "pad_token_id": end_of_text,
    });
    if let Some(end_of_answer) = language.end_of_answer()? {
        generation["eos_token_id"] = std::iter::once(end_of_answer).chain(end_of_text).collect();
    }
    if config.vocab_size > tokenizer.vocab_size() {
        generation["suppress_tokens"] = (tokenizer.vocab_size()..config.vocab_size).collect();
    }
    Ok(generation)
}

/// A bias of zeros.
fn zeros(width: usize) -> Columns {
    let mut columns = Columns::default();
    columns.push(vec![width], move || TensorData::zeros::<f32, _>([width]));
    columns
}
