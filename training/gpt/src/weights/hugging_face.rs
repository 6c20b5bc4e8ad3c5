//! A folder that `GPT2LMHeadModel.from_pretrained` of Hugging Face's transformers loads.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use artifact::GptConfig;
use artifact::config::LAYER_NORM_EPSILON;
use burn::tensor::TensorData;
use serde_json::{Value, json};

use super::error::SaveError;
use super::names::Names;
use super::safetensors::{Columns, collect, write};
use super::{CONFIG, SAFETENSORS};
use crate::model::Gpt;

/// Writes a model in Hugging Face's format: weights and configuration.
///
/// GPT-2 has a bias on queries, keys and values; a model without one gets zeros, which compute the
/// same.
///
/// # Errors
/// If the folder exists already or cannot be written; then nothing of it is left behind.
pub fn export_hf(model: &Gpt, folder: &Path) -> Result<(), SaveError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| SaveError::Io { path, source }
    };
    if folder.exists() {
        return Err(SaveError::Exists { path: folder.to_owned() });
    }
    // Written beside its place under another name and renamed when it is complete.
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&parent).map_err(at(&parent))?;
    let staged = tempfile::Builder::new().prefix(".export-").tempdir_in(&parent).map_err(at(&parent))?;

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
    fs::write(&path, format!("{:#}\n", configuration(config))).map_err(at(&path))?;

    for name in [SAFETENSORS, CONFIG] {
        let path = staged.path().join(name);
        make_durable(&path, 0o644).map_err(at(&path))?;
    }
    make_durable(staged.path(), 0o755).map_err(at(staged.path()))?;
    fs::rename(staged.path(), folder).map_err(at(folder))?;
    // Nothing is left of the temporary folder under its old name.
    let _ = staged.keep();
    Ok(())
}

/// Makes a file or folder readable for others, and sure to be on the disk.
fn make_durable(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    File::open(path)?.sync_all()
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
