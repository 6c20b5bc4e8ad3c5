//! `gpt train`: a model trained on texts, published, and promoted if it passes the gate.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Result, ensure};
use artifact::Tokenizer;
use burn::tensor::Device;
use clap::Args;
use gpt::device::prefers_bf16;
use gpt::preset::{
    AUTO, CorpusSettings, Override, Precision, Preset, TokenizerSettings, check_decided_by_weights,
};
use gpt::release::naming::model_name;
use gpt::release::plan::{check_vocabulary, fit_vocabulary};
use gpt::release::report::Stopwatch;
use gpt::release::trained::Disclosure;
use gpt::release::{Forecast, ModelSource, ModelSpec, Outcome, Promotion, TrainingPlan};
use gpt::tokenizer::{TokenizerSource, read_tokenizer};
use gpt::train::{LogFormat, Mirror, Observer, Progress};
use gpt::weights::ImportOptions;
use store::Store;
use tokio::runtime::Runtime;

use super::automatic::{Automatic, AutomaticArguments};
use super::corpus_arguments::TrainingTextArguments;
use super::device_argument::DeviceArgument;
use super::store_arguments::GateArguments;
use super::training_job::{Begin, Beginning, Job};

/// Said of a device that computes bf16 from float32.
const SLOW_BF16: &str = "note: `training.precision` is bf16, which this device multiplies no faster than float32; \
                         training.precision=auto takes it where it does";

/// Arguments of `gpt train`.
#[derive(Args)]
pub struct Arguments {
    /// Model and training settings: `the-verdict`, `books`, `tiny`, `gpt2` for gigabytes of text, `auto` for what is
    /// best in a --budget, or the path of a .toml file.
    #[arg(long, default_value = "the-verdict")]
    pub preset: String,
    /// Set a field of the preset to another value, such as training.epochs=3; can be repeated.
    ///
    /// The effective settings are printed, and published as preset.toml, which can be given to
    /// --preset again.
    #[arg(long, value_name = "SECTION.FIELD=VALUE")]
    pub set: Vec<Override>,
    #[command(flatten)]
    pub automatic: AutomaticArguments,
    /// Optimizer steps after which the run ends; the same as --set training.max_steps=STEPS.
    #[arg(long, value_name = "STEPS")]
    pub max_steps: Option<usize>,
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
    /// Tokenizer of the model: gpt2, 257 bytes and ends of texts, one that is trained on the texts (with 4096 ids:
    /// train:4096; without a number as many as fit them), or that of a file: a tokenizer.json, a vocab.json with
    /// merges.txt, or a folder with one [default: that of the preset, gpt2].
    ///
    /// The model has as many ids, unless `model.vocab_size` is set. With --init, it is that of the weights, if there
    /// is none beside them.
    #[arg(long, value_name = "gpt2|bytes|train[:N]|PATH")]
    pub tokenizer: Option<TokenizerSource>,
    /// The store (model registry) to publish to: a directory, or s3://BUCKET/PREFIX.
    #[arg(long, env = "MODEL_STORE", required_unless_present = "dry_run")]
    pub store: Option<String>,
    /// Name of the model in the store [default: that of the first text's file or folder].
    #[arg(long)]
    pub name: Option<String>,
    /// Channel to promote the new version to, if it passes the gate.
    #[arg(long, default_value = "live", value_name = "CHANNEL")]
    pub promote: String,
    #[command(flatten)]
    pub gate: GateArguments,
    /// Folder for checkpoints, with a folder in it for each run of each model.
    #[arg(long, default_value = "checkpoints")]
    pub checkpoints: PathBuf,
    /// Continue from the newest checkpoint of this run, if there is one, and publish what is trained.
    ///
    /// Ctrl-C or SIGTERM makes a checkpoint and stops; `training.checkpoint_every_steps` makes more, and so does
    /// the end of the training, before the export. The result is the same, bit for bit, as that of a run
    /// without interruption. A run is the same while model, texts and optimization are; training.epochs can
    /// grow. Where it is published already, this says so.
    #[arg(long)]
    pub resume: bool,
    /// Remove the checkpoints of this run, if there are any, and train anew.
    #[arg(long, conflicts_with = "resume")]
    pub restart: bool,
    /// Say what would be trained, how large it is and how long it takes, and train and publish nothing.
    ///
    /// For time and memory a few steps are made and thrown away.
    #[arg(long)]
    pub dry_run: bool,
    /// Publish no draft index: it makes generation faster, and holds up to two million tokens of the texts.
    #[arg(long)]
    pub no_draft_index: bool,
    /// Publish no example prompts: the served page shows them, and they are phrases of the texts.
    #[arg(long)]
    pub no_example_prompts: bool,
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
    #[command(flatten)]
    pub device: DeviceArgument,
    /// Number of devices that share the batches of each step, of GPUs those from --device on; each has a process of its
    /// own.
    ///
    /// A step has `training.accumulate_batches` batches, or as many as `training.tokens_per_step` needs. The losses are
    /// those of one device up to rounding; with dropout, other activations are dropped.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub devices: u16,
}

/// Trains, exports, judges, publishes and promotes, as far as no earlier process has done so; nothing comes of a
/// dry run, or if nothing is left to do. `stop` ends the training with a checkpoint.
///
/// # Errors
/// Before the training where the cause can be known by then: a bad corpus, a store that cannot be
/// written. A version is published whole or not at all.
pub fn run(arguments: Arguments, runtime: &Runtime, stop: &AtomicBool) -> Result<Option<Outcome>> {
    let started = Instant::now();
    // Exports need ONNX Runtime after the training; if it is missing, that is an error now.
    engine::runtime::environment()?;
    let device = arguments.device.open()?.autodiff();
    let (plan, stopwatch) = arguments.plan(started, runtime, &device)?;
    arguments.automatic.save(&plan.preset_toml)?;
    let batches = plan.preset.training.accumulate_batches;
    ensure!(
        batches >= usize::from(arguments.devices),
        "--devices is {}, and a step has {batches} batches: set training.tokens_per_step to more, or \
         training.batch_size to less",
        arguments.devices
    );
    let checkpoints = plan.checkpoints(&arguments.checkpoints)?;
    let mut progress = Progress::new(plan.extent().total_steps(), arguments.log);
    progress.settings(&plan.preset, &plan.preset_toml);
    plan.notes.iter().for_each(|note| progress.note(note));
    if arguments.dry_run {
        drop(progress);
        println!("{}", Forecast::of(&plan, &checkpoints, &device, runtime)?);
        return Ok(None);
    }
    let store = runtime.block_on(Store::open(arguments.store.as_deref().unwrap_or_default()))?;
    let mirror =
        arguments.mirror_checkpoints.then(|| Mirror::new(&store, runtime, &plan.name, checkpoints.run()));
    let disclosure =
        Disclosure { draft_index: !arguments.no_draft_index, example_prompts: !arguments.no_example_prompts };
    let promotion = Promotion { channel: arguments.promote.clone(), gate: arguments.gate.gate() };
    let mut job = Job {
        plan: &plan,
        store: &store,
        runtime,
        checkpoints: &checkpoints,
        mirror: mirror.as_ref(),
        device: &device,
        other_devices: arguments.device.others(&device, arguments.devices),
        stop,
        progress,
    };
    match job.begin(arguments.beginning(), &arguments.promote)? {
        Begin::Training { resume, lock: _lock } => {
            job.train(resume, disclosure, stopwatch, promotion).map(Some)
        }
        Begin::Promotion { publication, version, lock: _lock } => {
            job.finish_publication(publication, version, promotion).map(Some)
        }
        Begin::Nothing => Ok(None),
    }
}

impl Arguments {
    /// What is to become of the checkpoints of this run.
    fn beginning(&self) -> Beginning {
        match (self.resume, self.restart) {
            (true, _) => Beginning::Resume,
            (_, true) => Beginning::Restart,
            _ => Beginning::Unsaid,
        }
    }

    /// Settings that are given beside the preset.
    fn overrides(&self) -> Vec<Override> {
        let max_steps = self.max_steps.map(|steps| Override::new("training", "max_steps", steps as i64));
        self.set.iter().cloned().chain(max_steps).collect()
    }

    /// Reads settings, starting weights and texts.
    fn plan(
        &self,
        started: Instant,
        runtime: &Runtime,
        device: &Device,
    ) -> Result<(TrainingPlan, Stopwatch)> {
        let set = self.overrides();
        self.automatic.check(&self.preset, &set, self.init.is_some())?;
        let mut preset = Preset::named(&self.preset, &set)?;
        preset.training.resolve_precision(|| prefers_bf16(device));
        match (&self.init, &self.tokenizer) {
            (Some(_), _) => {
                check_decided_by_weights(&self.set)?;
                preset.tokenizer = TokenizerSettings::default();
            }
            (None, Some(TokenizerSource::None)) => {
                anyhow::bail!("--tokenizer none is for weights from elsewhere; a model is trained on texts")
            }
            (None, Some(tokenizer)) => preset.tokenizer.source = tokenizer.clone(),
            (None, None) => {}
        }
        let start = self.start(preset.model.dropout, runtime, device)?;
        let mut notes = Vec::new();
        if preset.training.precision == Precision::Bf16 && !prefers_bf16(device) {
            notes.push(SLOW_BF16.to_owned());
        }
        if let Some(start) = &start {
            // The weights decide the shape; the preset decides the training.
            notes.extend(preset.model_note(start.config()));
            preset.model = start.config().clone();
        }
        let mut stopwatch = Stopwatch::start();
        let settings = self.texts.settings(preset.corpus.take().unwrap_or_default());
        let tokenizer = match &start {
            Some(start) => runtime.block_on(start.tokenizer_for_training())?,
            None => self.tokenizer(&preset, &settings, &mut stopwatch)?,
        };
        if start.is_none() {
            let is_set = self.set.iter().any(|setting| setting.name() == "model.vocab_size");
            notes.extend(fit_vocabulary(&mut preset.model, &tokenizer, is_set));
        }
        check_vocabulary(&preset.model, &tokenizer)?;
        let corpus = self.texts.load(&settings, &preset, &tokenizer)?;
        stopwatch.lap("reading and encoding the corpus");
        let name = self.name.clone().unwrap_or_else(|| model_name(&settings.sources));
        let mut expected = None;
        if self.preset == AUTO {
            let automatic = Automatic {
                arguments: &self.automatic,
                checkpoints: &self.checkpoints,
                mirror: self.store.as_deref().filter(|_| self.mirror_checkpoints),
                restart: self.restart,
                keep: !self.dry_run,
                corpus: &corpus,
                model: &name,
                runtime,
                device,
                started,
            };
            let planned = automatic.plan(preset, &mut notes)?;
            (preset, expected) = (planned.preset, Some(planned.expected));
            stopwatch.lap("measuring shapes and planning");
        }
        preset.corpus = Some(settings);
        preset.resolve_batches()?;
        let mut plan = TrainingPlan::new(name, preset, start, tokenizer, corpus)?;
        plan.notes.splice(0..0, notes);
        plan.expected = expected;
        Ok((plan, stopwatch))
    }

    /// The tokenizer of a model from random weights.
    fn tokenizer(
        &self,
        preset: &Preset,
        settings: &CorpusSettings,
        stopwatch: &mut Stopwatch,
    ) -> Result<Tokenizer> {
        let TokenizerSettings { source, pattern } = &preset.tokenizer;
        Ok(match source {
            TokenizerSource::Gpt2 | TokenizerSource::None => Tokenizer::gpt2()?,
            TokenizerSource::Bytes => Tokenizer::bytes()?,
            TokenizerSource::File(path) => read_tokenizer(path)?.tokenizer,
            TokenizerSource::Train(vocab_size) => {
                let fraction = preset.training.train_fraction;
                let tokenizer =
                    self.texts.texts.train_tokenizer(settings, fraction, *pattern, *vocab_size)?;
                stopwatch.lap("training the tokenizer");
                tokenizer
            }
        })
    }

    /// The model to start from, if not from random weights.
    fn start(&self, dropout: f64, runtime: &Runtime, device: &Device) -> Result<Option<ModelSource>> {
        let Some(init) = &self.init else { return Ok(None) };
        let options = ImportOptions {
            n_heads: self.n_heads,
            dropout: Some(dropout),
            tokenizer: self.tokenizer.clone(),
            ..ImportOptions::default()
        };
        let source = ModelSource::find(init, self.store.as_deref(), &options, device);
        Ok(Some(runtime.block_on(source)?))
    }
}
