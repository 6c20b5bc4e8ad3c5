//! Model configuration beside a file of weights: `config.json` in anybody's terms, or a manifest.

use std::path::{Path, PathBuf};

use artifact::GptConfig;
use artifact::config::{Activation, LAYER_NORM_EPSILON};
use serde::Deserialize;
use serde_json::Value;

use super::error::ImportError;
use super::pytorch;
use super::small_file::read_small;

/// File name of the configuration.
pub(super) const CONFIG: &str = "config.json";

/// More than any configuration needs.
const MAX_BYTES: u64 = 1 << 20;

/// A configuration and where it was found.
pub(super) struct ConfigFile {
    path: PathBuf,
    pub(super) words: Words,
}

/// The fields that matter here, under all their names, see the table in [`artifact::config`]. Other fields
/// are ignored.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Words {
    vocab_size: Option<usize>,
    #[serde(alias = "block_size", alias = "n_positions")]
    context_length: Option<usize>,
    #[serde(alias = "emb_dim", alias = "n_embd", alias = "hidden_size")]
    d_model: Option<usize>,
    #[serde(alias = "n_layer", alias = "num_hidden_layers")]
    n_layers: Option<usize>,
    #[serde(alias = "n_head", alias = "num_attention_heads")]
    pub(super) n_heads: Option<usize>,
    #[serde(alias = "n_inner")]
    d_ff: Option<usize>,
    #[serde(alias = "drop_rate")]
    dropout: Option<f64>,
    #[serde(alias = "tie_word_embeddings")]
    pub(super) tied_output_head: Option<bool>,
    activation: Option<Activation>,
    // Fields of Hugging Face alone.
    model_type: Option<String>,
    attn_pdrop: Option<f64>,
    embd_pdrop: Option<f64>,
    resid_pdrop: Option<f64>,
    activation_function: Option<String>,
    layer_norm_epsilon: Option<f64>,
    scale_attn_weights: Option<bool>,
    scale_attn_by_inverse_layer_idx: Option<bool>,
    add_cross_attention: Option<bool>,
}

impl ConfigFile {
    /// The configuration in the folder of a file, if there is one.
    pub(super) fn beside(file: &Path) -> Result<Option<Self>, ImportError> {
        #[derive(Deserialize)]
        struct Manifest {
            config: Words,
        }
        let invalid = |path: &Path, source| ImportError::ConfigFile { path: path.to_owned(), source };

        let path = file.with_file_name(CONFIG);
        if let Some(json) = read_small(&path, MAX_BYTES)? {
            let words = serde_json::from_slice(&json).map_err(|source| invalid(&path, source))?;
            return Ok(Some(Self { path, words }));
        }
        let path = file.with_file_name(store::MANIFEST);
        if let Some(json) = read_small(&path, MAX_BYTES)? {
            let manifest: Manifest =
                serde_json::from_slice(&json).map_err(|source| invalid(&path, source))?;
            return Ok(Some(Self { path, words: manifest.config }));
        }
        Ok(None)
    }

    /// The configuration inside a PyTorch checkpoint, if it is one of nanoGPT's.
    pub(super) fn inside(checkpoint: &Path) -> Result<Option<Self>, ImportError> {
        let path = checkpoint.to_owned();
        let Some(json) = pytorch::read_model_args(checkpoint)? else { return Ok(None) };
        match serde_json::from_value(json) {
            Ok(words) => Ok(Some(Self { path, words })),
            Err(source) => Err(ImportError::ConfigFile { path, source }),
        }
    }

    /// The activation that it asks for; `None` if it says nothing of it.
    pub(super) fn activation(&self) -> Result<Option<Activation>, ImportError> {
        let words = &self.words;
        let Some(name) = &words.activation_function else { return Ok(words.activation) };
        // The first line are names for one formula, so is the second.
        let activation = match name.as_str() {
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_accurate" => Activation::GeluTanh,
            "gelu" | "gelu_python" => Activation::Gelu,
            _ => {
                return Err(ImportError::Config {
                    path: self.path.clone(),
                    field: "activation_function",
                    found: format!("{name:?}"),
                    expected: "gelu_new or gelu".to_owned(),
                });
            }
        };
        Ok(Some(activation))
    }

    /// The one probability of dropout that a [`GptConfig`] has.
    pub(super) fn dropout(&self) -> Result<f64, ImportError> {
        let words = &self.words;
        let mut given =
            [words.dropout, words.attn_pdrop, words.embd_pdrop, words.resid_pdrop].into_iter().flatten();
        let Some(dropout) = given.next() else { return Ok(0.0) };
        match given.find(|other| *other != dropout) {
            None => Ok(dropout),
            Some(other) => Err(ImportError::Config {
                path: self.path.clone(),
                field: "attn_pdrop, embd_pdrop, resid_pdrop",
                found: format!("{dropout} in one place and {other} in another"),
                expected: "the same dropout everywhere; pass --dropout to choose one".to_owned(),
            }),
        }
    }

    /// Checks that it is not the configuration of another family of models, whose tensors have similar names.
    pub(super) fn check_kind(&self) -> Result<(), ImportError> {
        self.expect("model_type", self.words.model_type.clone(), |name| name == "gpt2", "gpt2")
    }

    /// Checks that the configuration does not contradict the tensors, and asks for nothing that a
    /// [`Gpt`](crate::Gpt) does not compute.
    pub(super) fn check(&self, tensors: &GptConfig) -> Result<(), ImportError> {
        let layer_norm_epsilon = &self.words.layer_norm_epsilon;
        for (field, said, found) in [
            ("vocab_size", self.words.vocab_size, tensors.vocab_size),
            ("context_length", self.words.context_length, tensors.context_length),
            ("d_model", self.words.d_model, tensors.d_model),
            ("n_layers", self.words.n_layers, tensors.n_layers),
            ("d_ff", self.words.d_ff, tensors.d_ff),
        ] {
            self.expect(field, said, |said| *said == found, format_args!("{found}, as the tensors have it"))?;
        }
        self.expect(
            "layer_norm_epsilon",
            *layer_norm_epsilon,
            |e| *e == LAYER_NORM_EPSILON,
            LAYER_NORM_EPSILON,
        )?;
        for (field, said, expected) in [
            ("scale_attn_weights", self.words.scale_attn_weights, true),
            ("scale_attn_by_inverse_layer_idx", self.words.scale_attn_by_inverse_layer_idx, false),
            ("add_cross_attention", self.words.add_cross_attention, false),
        ] {
            self.expect(field, said, |said| *said == expected, expected)?;
        }
        Ok(())
    }

    /// Refuses a field whose value is not accepted; a field that is not there is.
    fn expect<T: Into<Value>>(
        &self,
        field: &'static str,
        said: Option<T>,
        accepts: impl Fn(&T) -> bool,
        expected: impl std::fmt::Display,
    ) -> Result<(), ImportError> {
        match said {
            Some(said) if !accepts(&said) => Err(ImportError::Config {
                path: self.path.clone(),
                field,
                found: said.into().to_string(),
                expected: expected.to_string(),
            }),
            _ => Ok(()),
        }
    }
}
