//! Models that are asked, in the precision that is served.

use std::path::{Path, PathBuf};

use artifact::manifest::Precision;
use burn::module::Module;
use store::ModelVersion;

use super::error::ReleaseError;
use super::export::{Export, write_float32};
use super::source::{ModelSource, downloads, load_variant};
use crate::chat::Respondent;
use crate::tasks::{Figures, Task, score};

/// Precisions in the order in which serving chooses one: the fastest first.
const FASTEST_FIRST: [Precision; 3] = [Precision::W4, Precision::W8, Precision::Float32];

/// The exports on which tasks are scored, of those that there are: the one that is served, and float32 beside it.
pub fn exports_to_ask(exports: &[Export]) -> Vec<(Precision, PathBuf)> {
    let find = |wanted: Precision| exports.iter().find(|export| export.precision == wanted);
    let served = FASTEST_FIRST.into_iter().find_map(find);
    let float32 = find(Precision::Float32)
        .filter(|export| Some(export.precision) != served.map(|served| served.precision));
    served.into_iter().chain(float32).map(|export| (export.precision, export.path.clone())).collect()
}

/// A model as one of its exports answers.
///
/// # Errors
/// If it has no tokenizer, or its chat template cannot be used.
pub async fn respondent(source: &ModelSource, export: Export) -> Result<Respondent, ReleaseError> {
    let Some(tokenizer) = source.tokenizer().await? else {
        return Err(ReleaseError::NoTokenizerToAsk { model: source.identity()? });
    };
    Ok(Respondent::new(export.model, tokenizer, source.chat_template().await?)?)
}

/// A model as it is served: by the fastest export that a version has; weights from a file by a float32 export, which is
/// written to `downloads` as what must be downloaded is.
///
/// # Errors
/// As of [`respondent`], or if an export is missing or damaged.
pub async fn served(source: &ModelSource, downloads: &Path) -> Result<Respondent, ReleaseError> {
    let export = match source {
        ModelSource::Weights(imported) => write_float32(&imported.model.valid(), downloads)?,
        ModelSource::Version(version, _) => {
            let variants = &version.manifest.variants;
            let find = |wanted| variants.iter().find(|variant| variant.precision == wanted);
            let fastest = FASTEST_FIRST.into_iter().find_map(find);
            let fastest =
                fastest.ok_or_else(|| version.no_such_file("variant of precision w4 or w8 or float32"))?;
            load_variant(version, fastest, downloads).await?
        }
    };
    respondent(source, export).await
}

/// The share of tasks that a version does right as it is served.
///
/// # Errors
/// As of [`served`], or if the chat template refuses a task.
pub async fn task_score(version: ModelVersion, tasks: &[Task]) -> Result<f64, ReleaseError> {
    let config = version.manifest.config.clone();
    let source = ModelSource::Version(Box::new(version), config);
    let downloads = downloads()?;
    let respondent = served(&source, downloads.path()).await?;
    Ok(Figures::of(tasks, &score(&respondent, tasks)?).score)
}
