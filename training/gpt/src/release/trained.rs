//! Release of a model that was trained here: records of the run, exports, judgement, report, publication.

use std::fs;
use std::ops::Range;

use artifact::Manifest;
use artifact::draft::{self, DraftError, DraftIndex};
use artifact::manifest::{FileRole, TrainingSummary};
use store::{ModelVersion, StagedVersion};

use super::error::ReleaseError;
use super::export::write_exports;
use super::judgement::Judgement;
use super::plan::TrainingPlan;
use super::publication::{Prepared, Release};
use super::report::{Report, Stopwatch, loss_curve};
use super::source::{ModelSource, downloads};
use crate::corpus::Tokens;
use crate::preset::{Preset, TrainingSettings};
use crate::train::Trained;
use crate::train::records::{METRICS, SAMPLES, read_samples};
use crate::weights::peft::{ADAPTER, ADAPTER_CONFIG, save_adapter};
use crate::{device, memory};

/// File name of the loss curve inside a version's folder.
const PLOT: &str = "loss.svg";
/// File name of the effective settings.
const PRESET: &str = "preset.toml";

/// What of the texts goes into a version for everyone who can read it, beside what the weights have learned.
#[derive(Clone, Copy, Debug)]
pub struct Disclosure {
    /// The draft index, which holds up to [`draft::MAX_TOKENS`] tokens of the texts.
    pub draft_index: bool,
    /// Example prompts, which are phrases of the texts.
    pub example_prompts: bool,
}

/// Makes a version of what a training run has made, in a folder that holds the run's metrics and samples already,
/// and judges it. `note` tells how far it is.
///
/// # Errors
/// If a file cannot be written or ONNX Runtime fails.
pub fn prepare(
    plan: &TrainingPlan,
    trained: &Trained,
    disclosure: Disclosure,
    mut staged: StagedVersion,
    mut stopwatch: Stopwatch,
    mut note: impl FnMut(&str),
) -> Result<(Prepared, Judgement), ReleaseError> {
    // Before the export, which has a peak of its own.
    let peak_memory_bytes = memory::peak_bytes();
    let curve = loss_curve(&plan.name, &trained.position.evaluations)?;
    let preset = plan.settings_of(&trained.position);
    let preset_toml = preset.to_toml()?;
    add_records(plan, &preset_toml, &curve, disclosure, &mut staged)?;
    if let (Some(adapters), Some(lora)) = (&trained.adapters, &plan.preset.lora) {
        let base = plan.parent.as_deref().unwrap_or_default();
        save_adapter(adapters, lora, plan.preset.model.n_layers, base, &staged.path(""))?;
        for file in [ADAPTER, ADAPTER_CONFIG] {
            staged.add(file, FileRole::Adapter)?;
        }
    }
    note("exporting, and evaluating the exports on the validation text");
    let exports = write_exports(&trained.model, Some(&plan.corpus), &staged.path(""))?;
    stopwatch.lap("export to ONNX");
    let training = training_summary(plan, &preset, trained, peak_memory_bytes)?;
    let judgement = Judgement::of(&trained.model, exports, Some(&plan.validation_text()))?;
    stopwatch.lap("evaluation of the model and its exports");
    note(&judgement.to_string());

    let path = staged.path(SAMPLES);
    let samples = fs::read_to_string(&path).map_err(ReleaseError::at(&path))?;
    let page =
        |manifest: &Manifest| report(plan, trained, manifest, &preset_toml, &curve, &samples, &stopwatch);
    let release = Release {
        name: &plan.name,
        model: &trained.model,
        tokenizer: Some(&plan.tokenizer),
        chat_template: plan.chat_template.as_ref(),
        judgement: &judgement,
        training: Some(training),
        imported_from: None,
        example_prompts: if disclosure.example_prompts { plan.corpus.example_prompts() } else { &[] },
        parent: plan.parent.clone(),
    };
    let prepared = release.prepare(staged, Some(&page))?;
    Ok((prepared, judgement))
}

/// Judges a version that this run has published before, as if it had just been made.
///
/// # Errors
/// If a file of it is missing or damaged, or ONNX Runtime fails.
pub async fn judge_published(plan: &TrainingPlan, version: ModelVersion) -> Result<Judgement, ReleaseError> {
    let config = version.manifest.config.clone();
    let source = ModelSource::Version(Box::new(version), config);
    let downloads = downloads()?;
    let model = source.gpt(&device::cpu(), downloads.path()).await?;
    let exports = source.exports(None, downloads.path()).await?;
    Judgement::of(&model, exports, Some(&plan.validation_text()))
}

/// Adds loss curve, settings, draft index, metrics and samples to a version.
fn add_records(
    plan: &TrainingPlan,
    preset_toml: &str,
    curve: &str,
    disclosure: Disclosure,
    staged: &mut StagedVersion,
) -> Result<(), ReleaseError> {
    let mut files = vec![
        (PLOT, FileRole::Plot, curve.as_bytes().to_vec()),
        (PRESET, FileRole::Preset, preset_toml.as_bytes().to_vec()),
    ];
    if disclosure.draft_index {
        let index =
            draft_index(plan.corpus.training(), plan.preset.model.vocab_size, plan.tokenizer.end_of_text())?;
        files.push((draft::FILE_NAME, FileRole::Draft, index.as_bytes().to_vec()));
    }
    // The run has written these.
    staged.add(METRICS, FileRole::Metrics)?;
    staged.add(SAMPLES, FileRole::Samples)?;
    for (file, role, contents) in files {
        let path = staged.path(file);
        fs::write(&path, contents).map_err(ReleaseError::at(&path))?;
        staged.add(file, role)?;
    }
    Ok(())
}

/// Draft index of the training text: serving guesses from it in speculative decoding.
fn draft_index(
    tokens: &Tokens,
    vocab_size: usize,
    end_of_text: Option<u32>,
) -> Result<DraftIndex, DraftError> {
    let read = |range: Range<usize>| tokens.read(range.start, range.len()).into_iter().map(|id| id as u32);
    DraftIndex::build(&draft::excerpts(tokens.count(), draft::MAX_TOKENS, end_of_text, read), vocab_size)
}

fn training_summary(
    plan: &TrainingPlan,
    preset: &Preset,
    trained: &Trained,
    peak_memory_bytes: Option<u64>,
) -> Result<TrainingSummary, ReleaseError> {
    let effective = TrainingSettings {
        stride: Some(plan.preset.stride()),
        initialization: plan.start.is_none().then(|| plan.preset.initialization()),
        ..preset.training.clone()
    };
    Ok(TrainingSummary {
        corpus: plan.corpus.entries(),
        epochs: plan.preset.training.epochs,
        steps: trained.position.step,
        hyper_parameters: serde_json::to_value(effective)?,
        final_train_loss: trained.evaluation.train_loss,
        final_val_loss: trained.evaluation.val_loss,
        wall_seconds: trained.position.seconds,
        device: device::describe(&trained.model.device()),
        peak_memory_bytes,
    })
}

fn report(
    plan: &TrainingPlan,
    trained: &Trained,
    manifest: &Manifest,
    preset_toml: &str,
    curve: &str,
    samples: &str,
    stopwatch: &Stopwatch,
) -> Result<String, ReleaseError> {
    let report = Report {
        name: &manifest.name,
        version: &manifest.version,
        created_at: &manifest.created_at,
        device: &device::describe(&trained.model.device()),
        parameters: manifest.config.num_parameters(),
        corpus: &plan.corpus.entries(),
        preset_toml,
        evaluations: &trained.position.evaluations,
        kept: &trained.evaluation,
        loss_curve_svg: curve,
        variants: &manifest.variants,
        samples: &read_samples(samples),
        expected: plan.expected,
        peak_memory_bytes: manifest.training.as_ref().and_then(|training| training.peak_memory_bytes),
        timings: stopwatch.laps(),
    };
    Ok(report.html()?)
}
