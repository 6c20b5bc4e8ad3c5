//! `gpt train`: corpus in, published model out.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use artifact::draft::{self, DraftError, DraftIndex};
use artifact::manifest::{FileRole, TrainingSummary};
use artifact::{Manifest, Tokenizer};
use burn::module::Module;
use burn::tensor::Device;
use gpt::corpus::{Tokens, dataset};
use gpt::device;
use gpt::plot::loss_curve;
use gpt::preset::{CorpusSettings, Preset};
use gpt::report::{Report, Stopwatch};
use gpt::train::records::{METRICS, SAMPLES, read_samples};
use gpt::train::{Checkpoints, Mirror, Observer, Progress, Records, Run, SampleWriter, Trained, new_model};
use gpt::weights::ImportOptions;
use serde_json::json;
use store::Store;
use tokio::runtime::Runtime;

use super::corpus_arguments::ValidationText;
use super::model_argument::Opened;
use super::release::{Outcome, Promotion, Release, judge, write_exports};
use crate::cli::TrainArguments;

/// File names inside a version's folder.
const PLOT: &str = "loss.svg";
const PRESET: &str = "preset.toml";

/// Trains, exports, publishes and, if the gate lets it pass, makes the new version live. `stop` ends
/// the training with a checkpoint.
///
/// # Errors
/// Before training where the cause can be known by then: a bad corpus, a store that cannot be
/// written. A version is published whole or not at all.
pub fn run(arguments: TrainArguments, runtime: &Runtime, stop: &AtomicBool) -> Result<Outcome> {
    // Needed at the end, to check the export; found missing at the beginning.
    engine::runtime::environment()?;
    let device = device::cpu().autodiff();
    let mut preset = Preset::named(&arguments.preset, &arguments.set)?;
    let start = arguments.start(preset.model.dropout, runtime, &device)?;
    if let Some(start) = &start {
        // The weights decide on the shape, and the preset on what is done with them.
        preset.model = start.config().clone();
    }
    let tokenizer = Tokenizer::gpt2()?;
    anyhow::ensure!(
        preset.model.vocab_size >= tokenizer.vocab_size(),
        "`model.vocab_size` is {}, expected at least {}, the size of the {} vocabulary",
        preset.model.vocab_size,
        tokenizer.vocab_size(),
        tokenizer.reference().name,
    );
    let sources = match preset.corpus.take() {
        Some(of_preset) if arguments.texts.corpus.is_empty() => of_preset.sources,
        _ => arguments.texts.corpus.clone(),
    };
    let mut stopwatch = Stopwatch::start();
    let corpus = arguments.texts.load(&sources, &tokenizer, preset.training.train_fraction)?;
    stopwatch.lap("reading and encoding the corpus");
    preset.corpus = Some(CorpusSettings { sources });
    let effective = preset.to_toml()?;
    let Preset { model: config, training, sample, .. } = &preset;
    let (train_set, validation_set) =
        dataset::split(&corpus, config.context_length, training.stride, training.batch_size)?;
    let prompt = corpus.example_prompts().first().context(
        "the corpus has no paragraph of at least four words to take a prompt from; use a text with paragraphs",
    )?;

    let name = arguments.name.clone().unwrap_or_else(|| default_name(&arguments.preset));
    let store = runtime.block_on(Store::open(&arguments.store.location))?;
    // Staged now rather than after training: a store that cannot be written is an early error.
    let mut staged = runtime.block_on(store.stage(&name))?;
    let parent = start.as_ref().map(Opened::identity).transpose()?;
    let checkpoints = Checkpoints::new(
        arguments.checkpoints.join(&name),
        json!({"preset": preset, "corpus": corpus.sha256(), "init": parent}),
    );
    let mirror =
        arguments.mirror_checkpoints.then(|| Mirror::new(&store, runtime, &name, &checkpoints.run_digest()));
    let writer = SampleWriter {
        tokenizer: &tokenizer,
        prompt: prompt.clone(),
        settings: sample,
        seed: training.seed,
        device: device.clone().without_autodiff(),
    };
    let records = Records::create(&staged.path(""))?;
    let run = Run {
        train_set: &train_set,
        validation_set: &validation_set,
        settings: training,
        device: &device,
        samples: Some(&writer),
        records: Some(&records),
        checkpoints: &checkpoints,
        mirror: mirror.as_ref(),
        resume: arguments.resume,
        stop,
    };
    let mut progress = Progress::new(run.total_steps(), arguments.log);
    progress.settings(&preset, &effective);
    let model = match &start {
        None => new_model(config, training, &device),
        Some(start) => {
            let downloads = tempfile::tempdir()?;
            runtime.block_on(start.trainable(&device, downloads.path()))?
        }
    };
    progress.note(&format!(
        "training {name} ({} parameters) on {}: {} epochs, {} steps of {} tokens",
        model.num_params(),
        corpus.name(),
        training.epochs,
        run.total_steps(),
        training.batch_size * training.accumulate_batches * config.context_length,
    ));
    let Trained { model, evaluation, position } = run.train(model, &mut progress)?;

    // Training has its own clock, which an interruption does not reset.
    stopwatch.skip();
    let plot = staged.path(PLOT);
    let curve = loss_curve(&name, &position.evaluations).map_err(anyhow::Error::msg)?;
    std::fs::write(&plot, &curve).with_context(|| plot.display().to_string())?;
    let path = staged.path(PRESET);
    std::fs::write(&path, &effective).with_context(|| path.display().to_string())?;
    let path = staged.path(draft::FILE_NAME);
    let index = draft_index(corpus.training(), config.vocab_size)?;
    std::fs::write(&path, index.as_bytes()).with_context(|| path.display().to_string())?;
    for (file, role) in [
        (METRICS, FileRole::Metrics),
        (SAMPLES, FileRole::Samples),
        (PLOT, FileRole::Plot),
        (PRESET, FileRole::Preset),
        (draft::FILE_NAME, FileRole::Draft),
    ] {
        staged.add(file, role)?;
    }
    progress.note("exporting, and evaluating the exports on the validation text");
    let exports = write_exports(&model, Some(&corpus), &staged.path(""))?;
    stopwatch.lap("export to ONNX");
    let training = TrainingSummary {
        corpus: corpus.entries(),
        epochs: training.epochs,
        steps: position.step,
        hyper_parameters: serde_json::to_value(training)?,
        final_train_loss: evaluation.train_loss,
        final_val_loss: evaluation.val_loss,
        wall_seconds: position.seconds,
        device: device::describe(),
    };
    let text = ValidationText::new(&corpus, &tokenizer, preset.training.final_evaluation_windows);
    let judged = judge(&model, exports, Some(&text))?;
    stopwatch.lap("evaluation of the model and its exports");
    progress.note(&judged.to_string());
    let samples = std::fs::read_to_string(staged.path(SAMPLES))?;
    let page = |manifest: &Manifest| {
        let report = Report {
            name: &manifest.name,
            version: &manifest.version,
            created_at: &manifest.created_at,
            device: &device::describe(),
            parameters: manifest.config.num_parameters(),
            corpus: &corpus.entries(),
            preset_toml: &effective,
            evaluations: &position.evaluations,
            kept: &evaluation,
            loss_curve_svg: &curve,
            variants: &manifest.variants,
            samples: &read_samples(&samples),
            timings: stopwatch.laps(),
        };
        Ok(report.html()?)
    };

    let release = Release {
        name: &name,
        model: &model,
        tokenizer: Some(&tokenizer),
        judged: &judged,
        training: Some(training),
        imported_from: None,
        example_prompts: corpus.example_prompts(),
        parent,
        page: Some(Box::new(page)),
    };
    let promotion = Promotion { channel: arguments.promote.clone(), gate: arguments.gate.gate() };
    let published = runtime.block_on(release.publish(staged))?;
    checkpoints.clear()?;
    if let Some(mirror) = &mirror {
        mirror.clear(|note| progress.note(note));
    }
    drop(progress);
    let held_back = runtime.block_on(promotion.promote(&store, &published, &judged, Some(&text)))?;
    Ok(Outcome { published, promotion: Some((promotion.channel, held_back)) })
}

impl TrainArguments {
    /// The model to start from, if not from random weights.
    fn start(&self, dropout: f64, runtime: &Runtime, device: &Device) -> Result<Option<Opened>> {
        let Some(init) = &self.init else { return Ok(None) };
        let options = ImportOptions { n_heads: self.n_heads, dropout: Some(dropout) };
        let store = Some(self.store.location.as_str());
        runtime.block_on(Opened::find(init, store, &options, device)).map(Some)
    }
}

/// An index of what the model was trained on, for serving to guess what it writes.
fn draft_index(tokens: &Tokens, vocab_size: usize) -> Result<DraftIndex, DraftError> {
    let read = |range: Range<usize>| tokens.read(range.start, range.len()).into_iter().map(|id| id as u32);
    DraftIndex::build(&draft::excerpts(tokens.count(), draft::MAX_TOKENS, read), vocab_size)
}

/// Name of a model that is trained with a preset, unless it is given another: the preset's name, or
/// the name of its file.
fn default_name(preset: &str) -> String {
    Path::new(preset).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
