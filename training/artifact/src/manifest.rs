//! `manifest.json`: what a model version consists of, and how it came to be.
//!
//! It is written after every file that it lists, so a version is complete if and only if its
//! manifest exists. A reader trusts nothing that the manifest does not vouch for by hash.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::config::GptConfig;
use crate::hash::Sha256Hex;

/// The manifest format that this build writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// Everything there is to know about one model version.
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
    /// Shape of the model.
    pub config: GptConfig,
    /// How its token ids are made; an imported model may have a tokenizer that this build has not.
    pub tokenizer: Option<TokenizerRef>,
    /// Every other file of the version.
    pub files: Vec<FileEntry>,
    /// The precisions in which it can be served.
    pub variants: Vec<Variant>,
    /// How well the trained model predicts its validation text; none if it was imported without one.
    pub evaluation: Option<EvaluationSummary>,
    /// How it was trained, if it was trained here.
    pub training: Option<TrainingSummary>,
    /// The file that it was imported from, if it was.
    pub imported_from: Option<ImportSummary>,
    /// Prompts that show what it can do.
    pub example_prompts: Vec<String>,
    /// What training started from, if not from random weights: a version, or a file of weights.
    pub parent: Option<String>,
}

/// A tokenizer by name and content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenizerRef {
    /// Name, see [`Tokenizer::from_manifest`](crate::Tokenizer::from_manifest).
    pub name: String,
    /// Digest of its vocabulary, see [`Tokenizer::reference`](crate::Tokenizer::reference).
    pub sha256: Sha256Hex,
}

/// One file of a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// File name inside the version's folder.
    pub path: String,
    /// What it is for.
    pub role: FileRole,
    /// Length.
    pub bytes: u64,
    /// Digest of its contents.
    pub sha256: Sha256Hex,
}

/// What a file of a version is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// An ONNX graph with its weights.
    Onnx,
    /// The weights as safetensors, under PyTorch's names.
    Weights,
    /// One JSON object per evaluation.
    Metrics,
    /// Texts sampled during training.
    Samples,
    /// A picture of the loss.
    Plot,
    /// The effective settings of the training run, as a preset.
    Preset,
    /// A page about the training run.
    Report,
    /// An index of the training corpus, see [`draft`](crate::draft).
    Draft,
    /// Anything that a newer writer adds; a reader leaves it alone.
    #[serde(other)]
    Other,
}

/// How the weights of an ONNX graph are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floating point.
    Float32,
    /// 8-bit integers, each block of weights with a scale.
    W8,
    /// 4-bit integers, each block of weights with a scale.
    W4,
    /// Anything that a newer writer adds; a reader leaves it alone.
    #[serde(other)]
    Other,
}

impl fmt::Display for Precision {
    /// As a manifest writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float32 => "float32",
            Self::W8 => "w8",
            Self::W4 => "w4",
            Self::Other => "other",
        })
    }
}

/// No precision that this build knows.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("`{0}` is no precision, expected w4, w8 or float32")]
pub struct UnknownPrecision(String);

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(text: &str) -> Result<Self, UnknownPrecision> {
        let known = [Self::Float32, Self::W8, Self::W4].into_iter().find(|known| known.to_string() == text);
        known.ok_or_else(|| UnknownPrecision(text.to_owned()))
    }
}

/// A precision in which the model can be served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// How the weights are stored.
    pub precision: Precision,
    /// Its ONNX file, one of [`Manifest::files`].
    pub file: String,
    /// Length of that file.
    pub bytes: u64,
    /// Loss on the validation text, nats per token; none if there was no text.
    pub val_loss: Option<f64>,
    /// `exp(val_loss)`: among how many equally likely tokens it seems to choose.
    pub perplexity: Option<f64>,
    /// Mean Kullback-Leibler divergence of its next-token distribution from the trained model's.
    pub kl_divergence: f64,
    /// Share of positions at which it finds the same token most likely as the trained model.
    pub top_1_agreement: f64,
    /// The largest distance of one of its logits from the trained model's.
    pub largest_logit_difference: f64,
}

/// How well a model predicts a text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSummary {
    /// Mean cross-entropy, nats per token.
    pub val_loss: f64,
    /// `exp(val_loss)`.
    pub perplexity: f64,
    /// Tokens predicted: the whole validation text, unless the preset bounds it.
    pub tokens: usize,
}

/// A file of weights from elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportSummary {
    /// Its name, without its folder.
    pub file: String,
    /// Digest of its contents.
    pub sha256: Sha256Hex,
    /// What wrote it.
    pub format: String,
}

/// How a version was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// The texts.
    pub corpus: Vec<CorpusEntry>,
    /// Passes over the training windows.
    pub epochs: usize,
    /// Optimizer steps.
    pub steps: usize,
    /// Settings of the run, as the preset names them.
    pub hyper_parameters: serde_json::Value,
    /// Last evaluation on training data, nats per token.
    pub final_train_loss: f64,
    /// Last evaluation on validation data, nats per token.
    pub final_val_loss: f64,
    /// Duration of the training loop.
    pub wall_seconds: f64,
    /// What it ran on.
    pub device: String,
}

/// One text of a corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorpusEntry {
    /// File name, without its folder.
    pub name: String,
    /// Digest of its contents.
    pub sha256: Sha256Hex,
    /// Length in tokens, training and validation together.
    pub tokens: usize,
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not of this shape.
    #[error("it is not a valid manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by a version of this software that is too new, or too old.
    #[error("its format_version is {found}, this build reads {FORMAT_VERSION}; update the older of the two")]
    FormatVersion {
        /// What the manifest says.
        found: u64,
    },
    /// A field whose value cannot be right.
    #[error("its field `{field}` is {found:?}, expected {expected}")]
    Field {
        /// The field at fault.
        field: &'static str,
        /// Its value.
        found: String,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// The model configuration describes no model.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
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

/// What [`is_safe_name`] accepts, in words.
pub const NAME_RULE: &str = "1 to 128 of the characters a-z A-Z 0-9 . _ -, the first a letter or digit";

/// Whether `name` can be part of a path without leading anywhere else.
pub fn is_safe_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=128).contains(&name.len()) && name.bytes().all(allowed) && name.as_bytes()[0].is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Manifest {
        Manifest {
            format_version: FORMAT_VERSION,
            name: "the-verdict".to_owned(),
            version: "20261123T120000Z-0123abcd".to_owned(),
            created_at: "2026-11-23T12:00:00Z".to_owned(),
            source_commit: None,
            config: GptConfig {
                vocab_size: 97,
                context_length: 32,
                d_model: 48,
                n_layers: 3,
                n_heads: 4,
                d_ff: 192,
                dropout: 0.0,
                qkv_bias: false,
                tied_output_head: false,
            },
            tokenizer: Some(TokenizerRef {
                name: "gpt2".to_owned(),
                sha256: Sha256Hex::of_bytes(b"vocabulary"),
            }),
            files: Vec::new(),
            variants: Vec::new(),
            evaluation: Some(EvaluationSummary { val_loss: 2.0, perplexity: 7.389, tokens: 32 }),
            training: Some(TrainingSummary {
                corpus: Vec::new(),
                epochs: 1,
                steps: 9,
                hyper_parameters: serde_json::json!({}),
                final_train_loss: 1.0,
                final_val_loss: 2.0,
                wall_seconds: 3.0,
                device: "cpu".to_owned(),
            }),
            imported_from: None,
            example_prompts: vec!["The painting was".to_owned()],
            parent: None,
        }
    }

    fn refusal(change: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut json = serde_json::to_value(example()).unwrap();
        change(&mut json);
        Manifest::from_json(json.to_string().as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn survives_the_round_trip() {
        let manifest = example();
        assert_eq!(Manifest::from_json(&manifest.to_json().unwrap()).unwrap(), manifest);
    }

    /// A number that a parser which is content with nearly all digits gets wrong by one.
    #[test]
    fn a_copy_of_a_copy_is_the_same_to_the_last_digit() {
        let evaluation = EvaluationSummary { val_loss: 4.6564189747506036e-14, perplexity: 1.0, tokens: 1 };
        let manifest = Manifest { evaluation: Some(evaluation), ..example() };
        assert_eq!(Manifest::from_json(&manifest.to_json().unwrap()).unwrap(), manifest);
    }

    #[test]
    fn a_precision_is_known_by_its_name() {
        assert_eq!("w4".parse(), Ok(Precision::W4));
        assert_eq!("float32".parse(), Ok(Precision::Float32));
        let error = "other".parse::<Precision>().unwrap_err().to_string();
        assert!(error.contains("expected w4, w8 or float32"), "{error}");
    }

    #[test]
    fn another_format_version_is_refused_whatever_else_it_holds() {
        let error = Manifest::from_json(br#"{"format_version": 2, "shape": "new"}"#).unwrap_err();
        assert!(matches!(error, ManifestError::FormatVersion { found: 2 }), "{error}");
    }

    #[test]
    fn what_cannot_be_right_is_refused_by_field() {
        assert!(refusal(|json| json["name"] = "../up".into()).contains("`name`"));
        assert!(refusal(|json| json["version"] = ".hidden".into()).contains("`version`"));
        assert!(refusal(|json| json["config"]["n_heads"] = 5.into()).contains("`n_heads`"));
        assert!(refusal(|json| json["config"] = serde_json::Value::Null).contains("valid manifest"));
        let entry =
            serde_json::json!([{"path": "a/b", "role": "onnx", "bytes": 1, "sha256": "0".repeat(64)}]);
        assert!(refusal(|json| json["files"] = entry).contains("`files.path`"));
        let variant = serde_json::json!([{
            "precision": "float32", "file": "model.onnx", "bytes": 1,
            "val_loss": null, "perplexity": null,
            "kl_divergence": 0.0, "top_1_agreement": 1.0, "largest_logit_difference": 0.0,
        }]);
        assert!(refusal(|json| json["variants"] = variant).contains("`variants.file`"));
    }

    #[test]
    fn a_name_cannot_leave_its_folder() {
        assert!(["model.w4.onnx", "the-verdict", "20261123T120000Z-0123abcd"].into_iter().all(is_safe_name));
        assert!(["", ".", "..", "a/b", "a\\b", "-x", "é", "a b"].into_iter().all(|name| !is_safe_name(name)));
    }

    mod any_bytes {
        use proptest::prelude::*;

        use super::*;

        /// A manifest with some of its bytes replaced, left out or doubled, or any bytes at all.
        fn damaged() -> impl Strategy<Value = Vec<u8>> {
            let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8);
            let edited = prop::collection::vec(edit, 1..6).prop_map(|edits| {
                let mut bytes = example().to_json().unwrap();
                for (index, byte, kind) in edits {
                    let index = index.index(bytes.len());
                    match kind {
                        0 => bytes[index] = byte,
                        1 => bytes[index] = b"0123456789-.e\"{}[],:"[usize::from(byte) % 20],
                        2 => drop(bytes.remove(index)),
                        _ => bytes.insert(index, bytes[index]),
                    }
                }
                bytes
            });
            prop_oneof![edited, any::<Vec<u8>>()]
        }

        proptest! {
            /// What is taken can be written and read again; everything else is an error.
            #[test]
            fn are_a_manifest_or_an_error(bytes in damaged()) {
                if let Ok(manifest) = Manifest::from_json(&bytes) {
                    prop_assert!(manifest.config.num_parameters() > 0);
                    let again = Manifest::from_json(&manifest.to_json().unwrap()).unwrap();
                    prop_assert_eq!(again, manifest);
                }
            }
        }
    }
}
