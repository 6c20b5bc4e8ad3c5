//! Models to start from: what a channel names, a version of a store, or a file of weights.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use artifact::manifest::{FileRole, Precision};
use artifact::{GptConfig, Sha256Hex, Tokenizer};
use burn::module::Module;
use burn::tensor::Device;
use store::{MANIFEST, ModelVersion, Store};
use tempfile::TempDir;

use super::error::ReleaseError;
use super::export::{Export, write_exports};
use crate::corpus::Corpus;
use crate::model::Gpt;
use crate::weights::{self, ImportOptions, Imported};

/// The place of a model, as it is given on the command line.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelSpec {
    /// A file of weights, a folder with one, or the folder of a published version.
    Path(PathBuf),
    /// `channel:NAME`: the version that a channel of the store names.
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

/// A model that has been found.
pub enum ModelSource {
    /// Weights from a file, read.
    Weights(Box<Imported>),
    /// A published version, and its configuration.
    Version(Box<ModelVersion>, GptConfig),
}

impl ModelSource {
    /// Finds a model; weights from a file are read, and lie on `device`. `options` outweigh what the
    /// model says of itself, except that a version knows its number of heads.
    ///
    /// # Errors
    /// If there is no such model, or it cannot be read.
    pub async fn find(
        model: &ModelSpec,
        store: Option<&str>,
        options: &ImportOptions,
        device: &Device,
    ) -> Result<Self, ReleaseError> {
        let version = match model {
            ModelSpec::Path(path) if path.join(MANIFEST).is_file() => ModelVersion::in_folder(path).await?,
            ModelSpec::Path(path) => {
                return Ok(Self::Weights(Box::new(weights::import(path, options, device)?)));
            }
            ModelSpec::Channel(channel) => {
                let store = Store::open(store.ok_or(ReleaseError::NoStore)?).await?;
                store.open_version(&store.channel(channel).await?.current).await?
            }
            ModelSpec::Version(name, version) => {
                let store = Store::open(store.ok_or(ReleaseError::NoStore)?).await?;
                let newest = match version {
                    Some(version) => Some(version.clone()),
                    None => store.versions(name).await?.pop(),
                };
                let version = newest.ok_or_else(|| ReleaseError::NoModel { name: name.clone() })?;
                store.find_version(name, &version).await?
            }
        };
        let mut config = version.manifest.config.clone();
        config.dropout = options.dropout.unwrap_or(config.dropout);
        config.validate()?;
        Ok(Self::Version(Box::new(version), config))
    }

    /// Its configuration.
    pub fn config(&self) -> &GptConfig {
        match self {
            Self::Weights(imported) => &imported.config,
            Self::Version(_, config) => config,
        }
    }

    /// Its name and version, or its file and the file's digest.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn identity(&self) -> Result<String, ReleaseError> {
        Ok(match self {
            Self::Weights(imported) => {
                let file = &imported.file;
                let (sha256, _) = Sha256Hex::of_file(file).map_err(ReleaseError::at(file))?;
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
    pub fn tokenizer(&self) -> Result<Option<Tokenizer>, ReleaseError> {
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
    pub async fn gpt(&self, device: &Device, downloads: &Path) -> Result<Gpt, ReleaseError> {
        Ok(self.trainable(device, downloads).await?.valid())
    }

    /// The model on `device`, with dropout. What must be downloaded goes to `downloads`.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub async fn trainable(&self, device: &Device, downloads: &Path) -> Result<Gpt, ReleaseError> {
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

    /// Its exports: a version's own, or those that [`write_exports`] makes, calibrated on `corpus`. What
    /// must be written goes to `downloads`.
    ///
    /// # Errors
    /// If a file is missing or damaged, or cannot be written.
    pub async fn exports(
        &self,
        corpus: Option<&Corpus>,
        downloads: &Path,
    ) -> Result<Vec<Export>, ReleaseError> {
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
            exports.push(Export::load(variant.precision, path, &version.manifest.config)?);
        }
        Ok(exports)
    }
}

/// A temporary folder for downloads, which is removed when it is dropped.
///
/// # Errors
/// If it cannot be made.
pub fn downloads() -> Result<TempDir, ReleaseError> {
    tempfile::tempdir().map_err(ReleaseError::at(&std::env::temp_dir()))
}

/// The tokenizer of a vocabulary of this size, if that is GPT-2's.
///
/// # Errors
/// If it cannot be loaded.
pub fn tokenizer_of(vocab_size: usize) -> Result<Option<Tokenizer>, ReleaseError> {
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
