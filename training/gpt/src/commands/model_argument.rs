//! Arguments for a model in a store or a file of weights.

use anyhow::Result;
use burn::tensor::Device;
use clap::Args;
use gpt::release::{ModelSource, ModelSpec};
use gpt::weights::ImportOptions;

/// The model that a command works on.
#[derive(Args)]
pub struct ModelArgument {
    /// The model.
    ///
    /// channel:NAME or version:NAME/VERSION in the store; or the folder of a published version; or
    /// weights to import: model.pth of LLMs-from-scratch, model.safetensors, a Hugging Face GPT-2.
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
    /// Dropout in further training [default: that of a configuration beside the weights, or 0].
    #[arg(long)]
    pub dropout: Option<f64>,
}

impl From<&ShapeArguments> for ImportOptions {
    fn from(arguments: &ShapeArguments) -> Self {
        Self { n_heads: arguments.n_heads, dropout: arguments.dropout }
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
