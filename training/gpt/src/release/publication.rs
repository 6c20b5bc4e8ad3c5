//! Publication of a version: weights, exports and manifest, visible in the store all at once.

use std::path::Path;

use artifact::manifest::{FORMAT_VERSION, FileRole, ImportSummary, TrainingSummary};
use artifact::onnx::data_file_name;
use artifact::tokenizer::FILE_NAME;
use artifact::tokenizer::json::tokenizer_json;
use artifact::{ChatTemplate, Manifest, Tokenizer, chat};
use store::{ModelVersion, StagedVersion, Store, VersionRef};

use super::error::ReleaseError;
use super::judgement::Judgement;
use super::naming::VersionName;
use crate::model::Gpt;
use crate::weights;

/// File name of the weights inside a version's folder.
pub const WEIGHTS: &str = "model.safetensors";
/// File name of the page about a version.
const REPORT: &str = "report.html";

/// A judged model that is to be published.
pub struct Release<'a> {
    /// Name of the model in the store.
    pub name: &'a str,
    /// The model.
    pub model: &'a Gpt,
    /// Its tokenizer, if it has one.
    pub tokenizer: Option<&'a Tokenizer>,
    /// How it is asked, if it answers.
    pub chat_template: Option<&'a ChatTemplate>,
    /// Its loss and its exports.
    pub judgement: &'a Judgement,
    /// How it was trained, if it was.
    pub training: Option<TrainingSummary>,
    /// The file that it was imported from, if it was.
    pub imported_from: Option<ImportSummary>,
    /// Prompts that it can be expected to continue.
    pub example_prompts: &'a [String],
    /// The model that its training started from, if not from random weights.
    pub parent: Option<String>,
}

/// Renders a page about a version that is otherwise complete.
pub type RenderPage<'a> = &'a dyn Fn(&Manifest) -> Result<String, ReleaseError>;

/// A version that is complete but for its publication.
pub struct Prepared {
    /// Its files.
    pub staged: StagedVersion,
    /// Its manifest.
    pub manifest: Manifest,
}

impl Prepared {
    /// Makes it visible in the store.
    ///
    /// # Errors
    /// If it cannot be written; then no version is visible.
    pub async fn publish(self) -> Result<VersionRef, ReleaseError> {
        Ok(self.staged.publish(&self.manifest).await?)
    }
}

impl Release<'_> {
    /// Adds weights, tokenizer, chat template, exports and a page, if there is one, to a version that holds its other files already.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn prepare(
        self,
        mut staged: StagedVersion,
        page: Option<RenderPage<'_>>,
    ) -> Result<Prepared, ReleaseError> {
        weights::save(self.model, &staged.path(WEIGHTS))?;
        staged.add(WEIGHTS, FileRole::Weights)?;
        if let Some(tokenizer) = self.tokenizer.filter(|tokenizer| !tokenizer.is_gpt2()) {
            let path = staged.path(FILE_NAME);
            std::fs::write(&path, tokenizer_json(tokenizer)).map_err(ReleaseError::at(&path))?;
            staged.add(FILE_NAME, FileRole::Tokenizer)?;
        }
        if let Some(template) = self.chat_template {
            let path = staged.path(chat::FILE_NAME);
            std::fs::write(&path, template.source()).map_err(ReleaseError::at(&path))?;
            staged.add(chat::FILE_NAME, FileRole::ChatTemplate)?;
        }
        let mut variants = Vec::new();
        for export in &self.judgement.exports {
            let mut bytes = staged.add(&export.file, FileRole::Onnx)?.bytes;
            let data = data_file_name(&export.file);
            if staged.path(&data).exists() {
                bytes += staged.add(&data, FileRole::OnnxData)?.bytes;
            }
            variants.push(self.judgement.variant(export, bytes));
        }
        let VersionName { version, created_at } = VersionName::now(staged.files());
        let mut manifest = Manifest {
            format_version: FORMAT_VERSION,
            name: self.name.to_owned(),
            version,
            created_at,
            source_commit: option_env!("SOURCE_COMMIT").map(str::to_owned),
            image_digest: variable("IMAGE_DIGEST"),
            // AWS Batch sets it: <https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html>
            job_id: variable("AWS_BATCH_JOB_ID"),
            config: self.model.config().clone(),
            tokenizer: self.tokenizer.map(Tokenizer::reference),
            files: staged.files().to_vec(),
            variants,
            evaluation: self.judgement.evaluation_summary(),
            training: self.training,
            imported_from: self.imported_from,
            example_prompts: self.example_prompts.to_vec(),
            parent: self.parent,
        };
        if let Some(page) = page {
            let path = staged.path(REPORT);
            std::fs::write(&path, page(&manifest)?).map_err(ReleaseError::at(&path))?;
            staged.add(REPORT, FileRole::Report)?;
            // The page names the version, so the version's hash is that of all files but the page.
            manifest.files = staged.files().to_vec();
        }
        Ok(Prepared { staged, manifest })
    }

    /// Prepares a version and publishes it.
    ///
    /// # Errors
    /// If it cannot be written; then no version is visible.
    pub async fn publish(
        self,
        staged: StagedVersion,
        page: Option<RenderPage<'_>>,
    ) -> Result<VersionRef, ReleaseError> {
        self.prepare(staged, page)?.publish().await
    }
}

/// A variable of the environment that says where a version was made; an empty one says nothing.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Copies a version to another store, verified. What has to be downloaded goes to `downloads`.
///
/// # Errors
/// If the version is damaged or the store cannot be written; then no version is visible in it.
pub async fn copy(
    version: &ModelVersion,
    store: &Store,
    downloads: &Path,
) -> Result<VersionRef, ReleaseError> {
    let mut staged = store.stage(&version.manifest.name).await?;
    for file in &version.manifest.files {
        let path = version.verified_file(file, downloads).await?;
        let target = staged.path(&file.path);
        std::fs::copy(&path, &target).map_err(ReleaseError::at(&target))?;
        staged.add(&file.path, file.role)?;
    }
    Ok(staged.publish(&version.manifest).await?)
}
