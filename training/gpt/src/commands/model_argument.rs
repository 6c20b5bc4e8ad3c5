//! Arguments for a model in a store or a file of weights.

use anyhow::Result;
use artifact::config::Activation;
use burn::tensor::Device;
use clap::Args;
use gpt::release::{ModelSource, ModelSpec};
use gpt::tokenizer::TokenizerSource;
use gpt::weights::ImportOptions;

/// The model that a command works on.
#[derive(Args)]
pub struct ModelArgument {
    /// The model.
    ///
    /// channel:NAME or version:NAME/VERSION in the store; or the folder of a published version; or
    /// weights to import: model.pth of LLMs-from-scratch, ckpt.pt of nanoGPT, model.safetensors, a Hugging Face
    /// GPT-2.
    #[arg(default_value = "channel:live")]
    pub model: ModelSpec,
    /// The store (model registry) of the model: a directory, or s3://BUCKET/PREFIX.
    #[arg(long, env = "MODEL_STORE")]
    pub store: Option<String>,
    #[command(flatten)]
    pub shape: ShapeArguments,
}

/// Settings of a model that its weights do not tell.
#[derive(Args, Clone)]
pub struct ShapeArguments {
    /// Number of attention heads, for imported weights without a configuration beside them.
    #[arg(long)]
    pub n_heads: Option<usize>,
    /// Dropout in further training [default: that of a configuration beside the weights, or 0; in gpt finetune 0.1].
    #[arg(long)]
    pub dropout: Option<f64>,
    /// Activation of imported weights: gelu_tanh, GPT-2's, or gelu, the exact one [default: that of a configuration
    /// beside the weights, or gelu for a checkpoint of nanoGPT and gelu_tanh for others].
    #[arg(long)]
    pub activation: Option<Activation>,
    /// Tokenizer of imported weights: gpt2, bytes, a tokenizer.json, a vocab.json with merges.txt, a folder with one,
    /// or none for a model that reads and writes no text [default: the one beside the weights].
    #[arg(long, value_name = "gpt2|bytes|none|PATH")]
    pub tokenizer: Option<TokenizerSource>,
}

impl From<&ShapeArguments> for ImportOptions {
    fn from(arguments: &ShapeArguments) -> Self {
        let ShapeArguments { n_heads, dropout, activation, tokenizer } = arguments.clone();
        Self { n_heads, dropout, activation, tokenizer }
    }
}

impl ModelArgument {
    /// Finds the model; weights from a file are read, and lie on `device`.
    ///
    /// # Errors
    /// If there is no such model, or it cannot be read.
    pub async fn find(&self, device: &Device) -> Result<ModelSource> {
        let options = ImportOptions::from(&self.shape);
        Ok(ModelSource::find(&self.model, self.store.as_deref(), &options, device).await?)
    }
}
