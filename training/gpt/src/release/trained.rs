//! Release of a model that was trained here: records of the run, exports, judgement, report, publication.

use std::fs;
use std::ops::Range;

use artifact::Manifest;
use artifact::draft::{self, DraftError, DraftIndex};
use artifact::manifest::{FileRole, TrainingSummary};
use store::{StagedVersion, VersionRef};

use super::error::ReleaseError;
use super::export::write_exports;
use super::judgement::Judgement;
use super::plan::TrainingPlan;
use super::publication::Release;
use super::report::{Report, Stopwatch, loss_curve};
use crate::corpus::Tokens;
use crate::device;
use crate::train::Trained;
use crate::train::records::{METRICS, SAMPLES, read_samples};

/// File name of the loss curve inside a version's folder.
const PLOT: &str = "loss.svg";
/// File name of the effective settings.
const PRESET: &str = "preset.toml";

/// Publishes what a training run has made, as a version whose folder holds the run's metrics and samples
/// already. `note` tells how far it is.
///
/// # Errors
/// If a file cannot be written or ONNX Runtime fails; then no version is visible.
pub async fn release(
    plan: &TrainingPlan,
    trained: &Trained,
    mut staged: StagedVersion,
    mut stopwatch: Stopwatch,
    mut note: impl FnMut(&str),
) -> Result<(VersionRef, Judgement), ReleaseError> {
    let curve = loss_curve(&plan.name, &trained.position.evaluations)?;
    add_records(plan, &curve, &mut staged)?;
    note("exporting, and evaluating the exports on the validation text");
    let exports = write_exports(&trained.model, Some(&plan.corpus), &staged.path(""))?;
    stopwatch.lap("export to ONNX");
    let training = training_summary(plan, trained)?;
    let judgement = Judgement::of(&trained.model, exports, Some(&plan.validation_text()))?;
    stopwatch.lap("evaluation of the model and its exports");
    note(&judgement.to_string());

    let path = staged.path(SAMPLES);
    let samples = fs::read_to_string(&path).map_err(ReleaseError::at(&path))?;
    let page = |manifest: &Manifest| report(plan, trained, manifest, &curve, &samples, &stopwatch);
    let release = Release {
        name: &plan.name,
        model: &trained.model,
        tokenizer: Some(&plan.tokenizer),
        judgement: &judgement,
        training: Some(training),
        imported_from: None,
        example_prompts: plan.corpus.example_prompts(),
        parent: plan.parent.clone(),
    };
    let published = release.publish(staged, Some(&page)).await?;
    Ok((published, judgement))
}

/// Adds loss curve, settings, draft index, metrics and samples to a version.
fn add_records(plan: &TrainingPlan, curve: &str, staged: &mut StagedVersion) -> Result<(), ReleaseError> {
    let index = draft_index(plan.corpus.training(), plan.preset.model.vocab_size)?;
    for (file, contents) in [
        (PLOT, curve.as_bytes()),
        (PRESET, plan.preset_toml.as_bytes()),
        (draft::FILE_NAME, index.as_bytes()),
    ] {
        let path = staged.path(file);
        fs::write(&path, contents).map_err(ReleaseError::at(&path))?;
    }
    for (file, role) in [
        (METRICS, FileRole::Metrics),
        (SAMPLES, FileRole::Samples),
        (PLOT, FileRole::Plot),
        (PRESET, FileRole::Preset),
        (draft::FILE_NAME, FileRole::Draft),
    ] {
        staged.add(file, role)?;
    }
    Ok(())
}

/// Draft index of the training text: serving guesses from it in speculative decoding.
fn draft_index(tokens: &Tokens, vocab_size: usize) -> Result<DraftIndex, DraftError> {
    let read = |range: Range<usize>| tokens.read(range.start, range.len()).into_iter().map(|id| id as u32);
    DraftIndex::build(&draft::excerpts(tokens.count(), draft::MAX_TOKENS, read), vocab_size)
}

fn training_summary(plan: &TrainingPlan, trained: &Trained) -> Result<TrainingSummary, ReleaseError> {
    Ok(TrainingSummary {
        corpus: plan.corpus.entries(),
        epochs: plan.preset.training.epochs,
        steps: trained.position.step,
        hyper_parameters: serde_json::to_value(&plan.preset.training)?,
        final_train_loss: trained.evaluation.train_loss,
        final_val_loss: trained.evaluation.val_loss,
        wall_seconds: trained.position.seconds,
        device: device::describe(),
    })
}

fn report(
    plan: &TrainingPlan,
    trained: &Trained,
    manifest: &Manifest,
    curve: &str,
    samples: &str,
    stopwatch: &Stopwatch,
) -> Result<String, ReleaseError> {
    let report = Report {
        name: &manifest.name,
        version: &manifest.version,
        created_at: &manifest.created_at,
        device: &device::describe(),
        parameters: manifest.config.num_parameters(),
        corpus: &plan.corpus.entries(),
        preset_toml: &plan.preset_toml,
        evaluations: &trained.position.evaluations,
        kept: &trained.evaluation,
        loss_curve_svg: curve,
        variants: &manifest.variants,
        samples: &read_samples(samples),
        timings: stopwatch.laps(),
    };
    Ok(report.html()?)
}
