//! The model that a command works on: a file of weights, or a published version.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result};
use artifact::manifest::{FileRole, Precision};
use artifact::{GptConfig, Sha256Hex, Tokenizer};
use burn::module::Module;
use burn::tensor::Device;
use clap::Args;
use engine::OnnxModel;
use gpt::Gpt;
use gpt::corpus::Corpus;
use gpt::weights::{self, ImportOptions, Imported};
use store::{MANIFEST, ModelVersion, Store};

use super::release::{Export, threads, write_exports};

/// Which model.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelSpec {
    /// A file of weights, a folder with one, or the folder of a published version.
    Path(PathBuf),
    /// `channel:NAME`: what a channel of the store names.
    Channel(String),
    /// `version:NAME/VERSION`: a version in the store; without `/VERSION` the newest.
    Version(String, Option<String>),
}

impl FromStr for ModelSpec {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once(':') {
            Some(("channel", name)) => Self::Channel(name.to_owned()),
            Some(("version", version)) => match version.split_once('/') {
                Some((name, version)) => Self::Version(name.to_owned(), Some(version.to_owned())),
                None => Self::Version(version.to_owned(), None),
            },
            _ => Self::Path(text.into()),
        })
    }
}

/// The model that a command works on.
#[derive(Args)]
pub struct ModelArgument {
    /// The model.
    ///
    /// channel:NAME or version:NAME/VERSION in the store; or the folder of a published version; or
    /// weights to import: model.pth of LLMs-from-scratch, model.safetensors, a Hugging Face GPT-2.
    #[arg(default_value = "channel:live")]
    pub model: ModelSpec,
    /// The store of the model: a directory, or s3://BUCKET/PREFIX.
    #[arg(long, env = "MODEL_STORE")]
    pub store: Option<String>,
    #[command(flatten)]
    pub shape: ShapeArguments,
}

/// What a file of weights does not tell.
#[derive(Args, Clone)]
pub struct ShapeArguments {
    /// Attention heads of imported weights, where no configuration beside them tells.
    #[arg(long)]
    pub n_heads: Option<usize>,
    /// Dropout in further training [default: what a configuration beside the weights says, or 0].
    #[arg(long)]
    pub dropout: Option<f64>,
}

impl From<&ShapeArguments> for ImportOptions {
    fn from(arguments: &ShapeArguments) -> Self {
        Self { n_heads: arguments.n_heads, dropout: arguments.dropout }
    }
}

/// A model that has been found.
pub enum Opened {
    /// Weights from a file.
    Weights(Box<Imported>),
    /// A published version, and its shape.
    Version(Box<ModelVersion>, GptConfig),
}

impl ModelArgument {
    /// Finds the model; weights from a file are read, and lie on `device`.
    ///
    /// # Errors
    /// If there is no such model, or it cannot be read.
    pub async fn open(&self, device: &Device) -> Result<Opened> {
        Opened::find(&self.model, self.store.as_deref(), &(&self.shape).into(), device).await
    }
}

impl Opened {
    /// Finds a model; weights from a file are read, and lie on `device`. What `options` say outweighs
    /// what the model says of itself, except that a version knows its heads.
    ///
    /// # Errors
    /// If there is no such model, or it cannot be read.
    pub async fn find(
        model: &ModelSpec,
        store: Option<&str>,
        options: &ImportOptions,
        device: &Device,
    ) -> Result<Self> {
        let open_store = || {
            store.with_context(|| {
                "a channel or version is looked for in a store: pass --store, or the path of a file of weights"
            })
        };
        let version = match model {
            ModelSpec::Path(path) if path.join(MANIFEST).is_file() => ModelVersion::in_folder(path).await?,
            ModelSpec::Path(path) => {
                return Ok(Self::Weights(Box::new(weights::import(path, options, device)?)));
            }
            ModelSpec::Channel(channel) => {
                let store = Store::open(open_store()?).await?;
                store.open_version(&store.channel(channel).await?.current).await?
            }
            ModelSpec::Version(name, version) => {
                let store = Store::open(open_store()?).await?;
                let version = match version {
                    Some(version) => version.clone(),
                    None => store.versions(name).await?.pop().with_context(|| {
                        format!("the store has no model `{name}`; `gpt models` lists what it has")
                    })?,
                };
                store.find_version(name, &version).await?
            }
        };
        let mut config = version.manifest.config.clone();
        config.dropout = options.dropout.unwrap_or(config.dropout);
        config.validate()?;
        Ok(Self::Version(Box::new(version), config))
    }

    /// Its shape.
    pub fn config(&self) -> &GptConfig {
        match self {
            Self::Weights(imported) => &imported.config,
            Self::Version(_, config) => config,
        }
    }

    /// What identifies it: name and version, or a file and its digest.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn identity(&self) -> Result<String> {
        Ok(match self {
            Self::Weights(imported) => {
                let file = &imported.file;
                let (sha256, _) = Sha256Hex::of_file(file).with_context(|| file.display().to_string())?;
                format!("{} (sha256 {sha256})", file.display())
            }
            Self::Version(version, _) => version.reference.to_string(),
        })
    }

    /// Its tokenizer, if this build has it: a version names its own, and a file of weights with as
    /// many ids as GPT-2 has GPT-2's.
    ///
    /// # Errors
    /// If a version's tokenizer is not known.
    pub fn tokenizer(&self) -> Result<Option<Tokenizer>> {
        Ok(match self {
            Self::Weights(imported) => tokenizer_of(imported.config.vocab_size)?,
            Self::Version(version, _) => {
                version.manifest.tokenizer.as_ref().map(Tokenizer::from_manifest).transpose()?
            }
        })
    }

    /// The model on `device`, in evaluation mode. What must be downloaded goes to `downloads`.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub async fn gpt(&self, device: &Device, downloads: &Path) -> Result<Gpt> {
        Ok(self.trainable(device, downloads).await?.valid())
    }

    /// The model on `device`, with dropout. What must be downloaded goes to `downloads`.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub async fn trainable(&self, device: &Device, downloads: &Path) -> Result<Gpt> {
        match self {
            Self::Weights(imported) => Ok(imported.model.clone()),
            Self::Version(version, config) => {
                let file = version.manifest.files.iter().find(|file| file.role == FileRole::Weights);
                let file = file.ok_or_else(|| version.no_such_file("file of weights"))?;
                let path = version.verified_file(file, downloads).await?;
                Ok(weights::load(config, &path, device)?)
            }
        }
    }

    /// Its exports: a version's own, or those that it would be published with, as
    /// [`write_exports`] makes them of `corpus`. What must be written goes to `downloads`.
    ///
    /// # Errors
    /// If a file is missing or damaged, or cannot be written.
    pub async fn exports(&self, corpus: Option<&Corpus>, downloads: &Path) -> Result<Vec<Export>> {
        let version = match self {
            Self::Weights(imported) => return write_exports(&imported.model, corpus, downloads),
            Self::Version(version, _) => version,
        };
        let mut exports = Vec::new();
        for variant in &version.manifest.variants {
            if variant.precision == Precision::Other {
                continue;
            }
            let file = version.manifest.file(&variant.file);
            let file = file.ok_or_else(|| version.no_such_file(format!("file {}", variant.file)))?;
            let path = version.verified_file(file, downloads).await?;
            let model = OnnxModel::load(&path, variant.precision, &version.manifest.config, threads())?;
            exports.push(Export { precision: variant.precision, file: variant.file.clone(), path, model });
        }
        Ok(exports)
    }
}

/// The tokenizer of a vocabulary of this size, if that is GPT-2's.
///
/// # Errors
/// If it cannot be loaded.
pub fn tokenizer_of(vocab_size: usize) -> Result<Option<Tokenizer>> {
    let gpt2 = Tokenizer::gpt2()?;
    Ok((gpt2.vocab_size() == vocab_size).then_some(gpt2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_a_channel_a_version_or_a_path() {
        let spec = |text: &str| text.parse::<ModelSpec>().unwrap();
        assert_eq!(spec("channel:live"), ModelSpec::Channel("live".to_owned()));
        let version = ModelSpec::Version("tiny".to_owned(), Some("1-a".to_owned()));
        assert_eq!(spec("version:tiny/1-a"), version);
        assert_eq!(spec("version:tiny"), ModelSpec::Version("tiny".to_owned(), None));
        assert_eq!(spec("models/a.pth"), ModelSpec::Path("models/a.pth".into()));
    }
}
