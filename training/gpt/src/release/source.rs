//! Models to start from: what a channel names, a version of a store, or a file of weights.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use artifact::chat;
use artifact::manifest::{FileRole, Precision, Variant};
use artifact::{ChatTemplate, GptConfig, Tokenizer};
use burn::module::Module;
use burn::tensor::Device;
use store::{MANIFEST, ModelVersion, Store};
use tempfile::TempDir;

use super::error::ReleaseError;
use super::export::{Export, write_exports, write_float32};
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
    /// model says of itself.
    ///
    /// # Errors
    /// If there is no such model, or it cannot be read; or if `options` say what a version knows for certain.
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
        if let Some(option) = options.of_weights_alone() {
            return Err(ReleaseError::OptionOfWeights { option });
        }
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
                format!("{} (sha256 {})", imported.file.display(), imported.sha256()?)
            }
            Self::Version(version, _) => version.reference.to_string(),
        })
    }

    /// Its tokenizer, if it has one: a version names its own, and for weights see [`Imported::tokenizer`].
    ///
    /// # Errors
    /// If it is not known which it is, or neither this build nor the version has it.
    pub async fn tokenizer(&self) -> Result<Option<Tokenizer>, ReleaseError> {
        match self {
            Self::Weights(imported) => Ok(imported.tokenizer()?),
            Self::Version(version, _) => version_tokenizer(version).await,
        }
    }

    /// Its chat template, if it answers: that of a version, or the one beside weights, see [`Imported::chat_template`].
    ///
    /// # Errors
    /// If it is damaged, or none.
    pub async fn chat_template(&self) -> Result<Option<ChatTemplate>, ReleaseError> {
        match self {
            Self::Weights(imported) => Ok(imported.chat_template()?),
            Self::Version(version, _) => version_chat_template(version).await,
        }
    }

    /// Its tokenizer, for training on text.
    ///
    /// # Errors
    /// If it has none: with the ids of another one, it would learn a language anew.
    pub async fn tokenizer_for_training(&self) -> Result<Tokenizer, ReleaseError> {
        if let Some(tokenizer) = self.tokenizer().await? {
            return Ok(tokenizer);
        }
        let (gpt2, found) = (Tokenizer::gpt2()?, self.config().vocab_size);
        let (needed, tokenizer) = (gpt2.vocab_size(), gpt2.reference().name);
        Err(match found < needed {
            true => ReleaseError::Vocabulary { found, needed, tokenizer },
            false => ReleaseError::NoTokenizer,
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
            // Without dropout, which calibration would measure too.
            Self::Weights(imported) => return write_exports(&imported.model.valid(), corpus, downloads),
            Self::Version(version, _) => version,
        };
        let mut exports = Vec::new();
        for variant in &version.manifest.variants {
            if variant.precision != Precision::Other {
                exports.push(load_variant(version, variant, downloads).await?);
            }
        }
        Ok(exports)
    }

    /// The files of its adapter, if it was learned in place of all weights. What must be downloaded goes to `downloads`.
    ///
    /// # Errors
    /// If one is missing or damaged.
    pub async fn adapter(&self, downloads: &Path) -> Result<Vec<PathBuf>, ReleaseError> {
        let Self::Version(version, _) = self else { return Ok(Vec::new()) };
        let mut files = Vec::new();
        for file in version.manifest.files.iter().filter(|file| file.role == FileRole::Adapter) {
            files.push(version.verified_file(file, downloads).await?);
        }
        Ok(files)
    }

    /// Its float32 export alone: a version's own, or a new one.
    ///
    /// # Errors
    /// If there is none, or as of [`exports`](Self::exports).
    pub async fn float32(&self, downloads: &Path) -> Result<Export, ReleaseError> {
        let version = match self {
            Self::Weights(imported) => return write_float32(&imported.model.valid(), downloads),
            Self::Version(version, _) => version,
        };
        let variant =
            version.manifest.variants.iter().find(|variant| variant.precision == Precision::Float32);
        let variant = variant.ok_or_else(|| version.no_such_file("variant of precision float32"))?;
        load_variant(version, variant, downloads).await
    }
}

/// The tokenizer of a version, if it has one.
///
/// # Errors
/// If neither this build nor the version has it.
pub(super) async fn version_tokenizer(version: &ModelVersion) -> Result<Option<Tokenizer>, ReleaseError> {
    let Some(reference) = &version.manifest.tokenizer else { return Ok(None) };
    let file = version.tokenizer_file(downloads()?.path()).await?;
    Ok(Some(Tokenizer::from_manifest(reference, file.as_deref())?))
}

/// The chat template of a version, if it has one.
///
/// # Errors
/// If it is damaged, or none.
pub(super) async fn version_chat_template(
    version: &ModelVersion,
) -> Result<Option<ChatTemplate>, ReleaseError> {
    let Some(file) = version.chat_template_file(downloads()?.path()).await? else { return Ok(None) };
    let template = |reason| ReleaseError::ChatTemplate { version: version.reference.clone(), reason };
    let source =
        String::from_utf8(file).map_err(|error| template(format!("{}: {error}", chat::FILE_NAME)))?;
    ChatTemplate::new(&source).map(Some).map_err(|error| template(error.to_string()))
}

/// Loads an export of a version, verified.
///
/// # Errors
/// If a file is missing or damaged, or ONNX Runtime refuses it.
pub(super) async fn load_variant(
    version: &ModelVersion,
    variant: &Variant,
    downloads: &Path,
) -> Result<Export, ReleaseError> {
    let file = version.manifest.file(&variant.file);
    let file = file.ok_or_else(|| version.no_such_file(format!("file {}", variant.file)))?;
    if let Some(data) = version.manifest.external_data(file) {
        version.verified_file(data, downloads).await?;
    }
    let path = version.verified_file(file, downloads).await?;
    Export::load(variant.precision, path, &version.manifest.config)
}

/// A temporary folder for downloads, which is removed when it is dropped.
///
/// # Errors
/// If it cannot be made.
pub fn downloads() -> Result<TempDir, ReleaseError> {
    tempfile::tempdir().map_err(ReleaseError::at(&std::env::temp_dir()))
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
