//! `gpt train`: a model trained on texts, published, and promoted if it passes the gate.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use artifact::Tokenizer;
use burn::module::Module;
use burn::tensor::Device;
use clap::Args;
use gpt::device;
use gpt::preset::{Override, Preset};
use gpt::release::naming::model_name;
use gpt::release::plan::check_vocabulary;
use gpt::release::report::Stopwatch;
use gpt::release::{ModelSource, ModelSpec, Outcome, Promotion, TrainingPlan, trained};
use gpt::train::{LogFormat, Mirror, Observer, Progress, Records, Run, Trained};
use gpt::weights::{ImportOptions, TokenizerChoice};
use store::Store;
use tokio::runtime::Runtime;

use super::corpus_arguments::TrainingTextArguments;
use super::store_arguments::{GateArguments, StoreArgument};

/// Arguments of `gpt train`.
#[derive(Args)]
pub struct Arguments {
    /// Model and training settings: `the-verdict`, `books`, `tiny`, or the path of a .toml file.
    #[arg(long, default_value = "the-verdict")]
    pub preset: String,
    /// Set a field of the preset to another value, such as training.epochs=3; can be repeated.
    ///
    /// The effective settings are printed, and published as preset.toml, which can be given to
    /// --preset again.
    #[arg(long, value_name = "SECTION.FIELD=VALUE")]
    pub set: Vec<Override>,
    /// Texts to train on; without --corpus, those of the preset.
    #[command(flatten)]
    pub texts: TrainingTextArguments,
    /// Start from the weights of a model instead of random ones, and with its shape.
    ///
    /// As for the other commands: channel:NAME, version:NAME/VERSION, or a path of weights.
    #[arg(long, value_name = "MODEL")]
    pub init: Option<ModelSpec>,
    /// Number of attention heads, for weights to start from without a configuration beside them.
    #[arg(long)]
    pub n_heads: Option<usize>,
    /// Tokenizer of weights to start from, if there is none beside them.
    #[arg(long, value_enum)]
    pub tokenizer: Option<TokenizerChoice>,
    /// The store to publish to.
    #[command(flatten)]
    pub store: StoreArgument,
    /// Name of the model in the store [default: that of the first text's file or folder].
    #[arg(long)]
    pub name: Option<String>,
    /// Channel to promote the new version to, if it passes the gate.
    #[arg(long, default_value = "live", value_name = "CHANNEL")]
    pub promote: String,
    #[command(flatten)]
    pub gate: GateArguments,
    /// Folder for checkpoints, with a folder in it for each model name.
    #[arg(long, default_value = "checkpoints")]
    pub checkpoints: PathBuf,
    /// Continue from the newest checkpoint of this model, if there is one.
    ///
    /// Ctrl-C or SIGTERM makes a checkpoint and stops; `training.checkpoint_every_steps` makes more. The
    /// result is the same, bit for bit, as that of a run without interruption.
    #[arg(long)]
    pub resume: bool,
    /// Copy each checkpoint to the store too, for machines that can vanish.
    ///
    /// With --resume, the same command on any machine continues from the newest checkpoint in the store or
    /// on the machine. If a copy fails, that is reported and training goes on. When the run is complete, the
    /// copies are removed; where the store does not allow that they stay, and do no harm.
    #[arg(long)]
    pub mirror_checkpoints: bool,
    /// Format of the progress messages.
    #[arg(long, value_enum, default_value_t)]
    pub log: LogFormat,
}

/// Trains, exports, judges, publishes and promotes. `stop` ends the training with a checkpoint.
///
/// # Errors
/// Before the training where the cause can be known by then: a bad corpus, a store that cannot be
/// written. A version is published whole or not at all.
pub fn run(arguments: Arguments, runtime: &Runtime, stop: &AtomicBool) -> Result<Outcome> {
    // Exports need ONNX Runtime after the training; if it is missing, that is an error now.
    engine::runtime::environment()?;
    let device = device::cpu().autodiff();
    let (plan, mut stopwatch) = arguments.plan(runtime, &device)?;
    let store = runtime.block_on(Store::open(&arguments.store.location))?;
    // Staged now rather than after the training: a store that cannot be written is an early error.
    let staged = runtime.block_on(store.stage(&plan.name))?;
    let checkpoints = plan.checkpoints(&arguments.checkpoints);
    let digest = checkpoints.run_digest();
    let mirror = arguments.mirror_checkpoints.then(|| Mirror::new(&store, runtime, &plan.name, &digest));
    let run = Run {
        train_set: &plan.train_set,
        validation_set: &plan.validation_set,
        settings: &plan.preset.training,
        device: &device,
        samples: Some(&plan.sample_writer(&device)),
        records: Some(&Records::create(&staged.path(""))?),
        checkpoints: &checkpoints,
        mirror: mirror.as_ref(),
        resume: arguments.resume,
        stop,
    };
    let mut progress = Progress::new(run.total_steps(), arguments.log);
    progress.settings(&plan.preset, &plan.preset_toml);
    let trained = train(&plan, &run, runtime, &mut progress)?;

    // The training has its own clock, which an interruption does not reset.
    stopwatch.skip();
    let note = |text: &str| progress.note(text);
    let release = trained::release(&plan, &trained, staged, stopwatch, note);
    let (published, judgement) = runtime.block_on(release)?;
    checkpoints.clear()?;
    if let Some(mirror) = &mirror {
        mirror.clear(|text| progress.note(text));
    }
    drop(progress);
    let promotion = Promotion { channel: arguments.promote.clone(), gate: arguments.gate.gate() };
    let text = plan.validation_text();
    Ok(runtime.block_on(Outcome::of(published, Some(promotion), &store, &judgement, Some(&text)))?)
}

impl Arguments {
    /// Reads settings, starting weights and texts.
    fn plan(&self, runtime: &Runtime, device: &Device) -> Result<(TrainingPlan, Stopwatch)> {
        let mut preset = Preset::named(&self.preset, &self.set)?;
        let start = self.start(preset.model.dropout, runtime, device)?;
        if let Some(start) = &start {
            // The weights decide the shape; the preset decides the training.
            preset.model = start.config().clone();
        }
        let tokenizer = match &start {
            Some(start) => start.tokenizer_for_training()?,
            None => Tokenizer::gpt2()?,
        };
        check_vocabulary(&preset.model, &tokenizer)?;
        let mut stopwatch = Stopwatch::start();
        let corpus = self.texts.load(&mut preset, &tokenizer)?;
        stopwatch.lap("reading and encoding the corpus");
        let sources = preset.corpus.as_ref().map_or(&[][..], |corpus| &corpus.sources);
        let name = self.name.clone().unwrap_or_else(|| model_name(sources));
        Ok((TrainingPlan::new(name, preset, start, tokenizer, corpus)?, stopwatch))
    }

    /// The model to start from, if not from random weights.
    fn start(&self, dropout: f64, runtime: &Runtime, device: &Device) -> Result<Option<ModelSource>> {
        let Some(init) = &self.init else { return Ok(None) };
        let options = ImportOptions {
            n_heads: self.n_heads,
            dropout: Some(dropout),
            tokenizer: self.tokenizer,
            ..ImportOptions::default()
        };
        let store = Some(self.store.location.as_str());
        Ok(Some(runtime.block_on(ModelSource::find(init, store, &options, device))?))
    }
}

fn train(plan: &TrainingPlan, run: &Run<'_>, runtime: &Runtime, progress: &mut Progress) -> Result<Trained> {
    let model = runtime.block_on(plan.model(run.device))?;
    let training = &plan.preset.training;
    progress.note(&format!(
        "training {} ({} parameters) on {}: {} epochs, {} steps of {} tokens",
        plan.name,
        model.num_params(),
        plan.corpus.name(),
        training.epochs,
        run.total_steps(),
        training.batch_size * training.accumulate_batches * plan.preset.model.context_length,
    ));
    Ok(run.train(model, progress)?)
}
