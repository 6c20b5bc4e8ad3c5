//! Shape of a model, inferred from its tensors and a configuration beside them.

use artifact::GptConfig;
use artifact::config::Activation;

use super::config_file::ConfigFile;
use super::error::ImportError;
use super::names::{Convention, Names};
use super::tensor_file::TensorFile;
use crate::tokenizer::TokenizerSource;

/// Settings for an import; they outweigh a configuration beside the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// Attention heads in each block, which the shapes of tensors do not tell.
    pub n_heads: Option<usize>,
    /// Dropout in further training; without it and a configuration, 0.
    pub dropout: Option<f64>,
    /// Activation of the feed-forward layers; without it and a configuration, nanoGPT's is `gelu`, others' is
    /// `gelu_tanh`.
    pub activation: Option<Activation>,
    /// Tokenizer of the model; without it, the one beside the weights.
    pub tokenizer: Option<TokenizerSource>,
}

impl ImportOptions {
    /// An option that is set and says what only a file of weights may leave open.
    pub fn of_weights_alone(&self) -> Option<&'static str> {
        let set = [
            ("--n-heads", self.n_heads.is_some()),
            ("--activation", self.activation.is_some()),
            ("--tokenizer", self.tokenizer.is_some()),
        ];
        set.into_iter().find(|(_, is_set)| *is_set).map(|(option, _)| option)
    }
}

/// Works out the shape of the model in a file.
pub(super) fn infer(
    file: &TensorFile,
    names: &Names,
    beside: Option<&ConfigFile>,
    options: &ImportOptions,
) -> Result<GptConfig, ImportError> {
    let name = |path| names.place(path, false).name;
    let [vocab_size, d_model] = file.matrix_shape(&name("token_embedding.weight"))?;
    let [context_length, _] = file.matrix_shape(&name("position_embedding.weight"))?;
    let expand = names.place("blocks.0.feed_forward.expand.weight", true);
    let [rows, columns] = file.matrix_shape(&expand.name)?;
    let config = GptConfig {
        vocab_size,
        context_length,
        d_model,
        n_layers: file.names().filter_map(|name| names.block(name)).max().unwrap_or(0).saturating_add(1),
        n_heads: match options.n_heads.or(beside.and_then(|config| config.words.n_heads)) {
            Some(n_heads) => n_heads,
            None => return Err(ImportError::UnknownHeads { path: file.path.clone() }),
        },
        d_ff: if expand.transposed { rows } else { columns },
        dropout: match (options.dropout, beside) {
            (Some(dropout), _) => dropout,
            (None, Some(config)) => config.dropout()?,
            (None, None) => 0.0,
        },
        qkv_bias: file.has(&name("blocks.0.attention.query.bias")),
        tied_output_head: match beside.and_then(|config| config.words.tied_output_head) {
            Some(tied) => tied,
            // What transformers does without the field, and nanoGPT always.
            None if beside.is_some() && names.convention != Convention::LlmsFromScratch => true,
            // A tied head is often stored all the same, as a second copy of the embedding.
            None => {
                let (head, embedding) = (name("output_head.weight"), name("token_embedding.weight"));
                !file.has(&head) || file.are_equal(&head, &embedding)?
            }
        },
        activation: match (options.activation, beside.map(ConfigFile::activation).transpose()?.flatten()) {
            (Some(activation), _) | (None, Some(activation)) => activation,
            (None, None) => names.default_activation(),
        },
    };
    config.validate().map_err(|source| ImportError::InvalidShape { path: file.path.clone(), source })?;
    if let Some(beside) = beside {
        beside.check(&config)?;
    }
    Ok(config)
}
