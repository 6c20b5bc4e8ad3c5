//! `manifest.json`: the contents of a model version and their origin.
//!
//! It is written after every file that it lists, so a version is complete if and only if its
//! manifest exists. A reader uses only files that the manifest lists, and verifies their hashes.
//!
//! - `document`: the manifest itself, parsed and validated;
//! - `file`: its files, with their roles and hashes; `variant`: the precisions that can be served;
//! - `origin`: evaluation, training run, import;
//! - `name`: safe names of models, versions and files.

mod document;
mod file;
mod name;
mod origin;
#[cfg(test)]
mod tests;
mod variant;

pub use document::{FORMAT_VERSION, Manifest, ManifestError};
pub use file::{FileEntry, FileRole};
pub use name::{NAME_RULE, is_safe_name};
pub use origin::{CorpusEntry, EvaluationSummary, ImportSummary, TokenizerRef, TrainingSummary};
pub use variant::{Precision, UnknownPrecision, Variant};
