//! The manifest of a model version: reading, validation, writing.

use serde::{Deserialize, Serialize};

use super::file::{FileEntry, FileRole};
use super::name::{NAME_RULE, is_safe_name};
use super::origin::{EvaluationSummary, ImportSummary, TokenizerRef, TrainingSummary};
use super::variant::{Precision, Variant};
use crate::config::{ConfigError, GptConfig};
use crate::onnx::data_file_name;

/// The manifest format that this build writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// Contents of `manifest.json` of a model version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// Name of the model, the same for all its versions.
    pub name: String,
    /// Sortable: UTC time of creation, then a short hash of the files.
    pub version: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// Commit of the code that trained it, where known.
    pub source_commit: Option<String>,
    /// Digest of the container image that made it (`sha256:…`), if one did.
    pub image_digest: Option<String>,
    /// The job of AWS Batch that made it, if one did.
    pub job_id: Option<String>,
    /// Dimensions of the model.
    pub config: GptConfig,
    /// Its tokenizer; an imported model may have one that this build does not know.
    pub tokenizer: Option<TokenizerRef>,
    /// Every other file of the version.
    pub files: Vec<FileEntry>,
    /// The precisions in which it can be served.
    pub variants: Vec<Variant>,
    /// Validation loss of the trained model; none if it was imported without a validation text.
    pub evaluation: Option<EvaluationSummary>,
    /// The training run, if it was trained here.
    pub training: Option<TrainingSummary>,
    /// The file that it was imported from, if it was.
    pub imported_from: Option<ImportSummary>,
    /// Example prompts.
    pub example_prompts: Vec<String>,
    /// Start of training, if not random weights: a version, or a file of weights.
    pub parent: Option<String>,
}

/// Why a manifest is invalid.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not JSON, or not of this structure.
    #[error("it is not a valid manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// It was written by a version of this software that is too new or too old.
    #[error("its format_version is {found}, this build reads {FORMAT_VERSION}; update the older of the two")]
    FormatVersion {
        /// The version in the manifest.
        found: u64,
    },
    /// A field has an invalid value.
    #[error("its field `{field}` is {found:?}, expected {expected}")]
    Field {
        /// The field at fault.
        field: &'static str,
        /// Its value.
        found: String,
        /// The accepted values.
        expected: &'static str,
    },
    /// The model configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl Manifest {
    /// Parses and validates a manifest.
    ///
    /// # Errors
    /// If it is malformed, of another format version, or inconsistent.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        // The version comes first: another format may differ in everything else.
        let json: serde_json::Value = serde_json::from_slice(bytes)?;
        match json.get("format_version").and_then(serde_json::Value::as_u64) {
            Some(found) if found != u64::from(FORMAT_VERSION) => Err(ManifestError::FormatVersion { found }),
            _ => {
                let manifest: Self = serde_json::from_value(json)?;
                manifest.validate()?;
                Ok(manifest)
            }
        }
    }

    /// The manifest as it is stored.
    ///
    /// # Errors
    /// If it cannot be expressed as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, ManifestError> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// The variant of a precision, with its file.
    pub fn variant(&self, precision: Precision) -> Option<&FileEntry> {
        let variant = self.variants.iter().find(|variant| variant.precision == precision)?;
        self.file(&variant.file)
    }

    /// The external data of a graph, if its weights are in a file of their own.
    pub fn external_data(&self, graph: &FileEntry) -> Option<&FileEntry> {
        let name = data_file_name(&graph.path);
        self.file(&name).filter(|file| file.role == FileRole::OnnxData)
    }

    /// The entry of a file, by its name.
    pub fn file(&self, path: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.path == path)
    }

    fn validate(&self) -> Result<(), ManifestError> {
        let field = |field, found: &str, expected| {
            Err(ManifestError::Field { field, found: found.to_owned(), expected })
        };
        self.config.validate()?;
        if !is_safe_name(&self.name) {
            return field("name", &self.name, NAME_RULE);
        }
        if !is_safe_name(&self.version) {
            return field("version", &self.version, NAME_RULE);
        }
        if let Some(file) = self.files.iter().find(|file| !is_safe_name(&file.path)) {
            return field("files.path", &file.path, NAME_RULE);
        }
        if let Some(variant) = self.variants.iter().find(|variant| self.file(&variant.file).is_none()) {
            return field("variants.file", &variant.file, "the path of one of `files`");
        }
        Ok(())
    }
}
