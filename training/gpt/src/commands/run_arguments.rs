//! Arguments and course of a run, whatever it starts from: `gpt train` and `gpt finetune`.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, ensure};
use burn::tensor::Device;
use clap::Args;
use gpt::preset::Override;
use gpt::release::report::Stopwatch;
use gpt::release::trained::Disclosure;
use gpt::release::{Forecast, Outcome, TrainingPlan};
use gpt::train::{LogFormat, Mirror, Observer, Progress};
use tokio::runtime::Runtime;

use super::device_argument::DeviceArgument;
use super::store_arguments::{GateArguments, SigningArgument};
use super::training_job::{Begin, Beginning, Job};

/// Arguments of a run.
#[derive(Args)]
pub struct RunArguments {
    /// Set a field of the preset to another value, such as training.epochs=3; can be repeated.
    ///
    /// The effective settings are printed, and published as preset.toml, which can be given to
    /// --preset again.
    #[arg(long, value_name = "SECTION.FIELD=VALUE")]
    pub set: Vec<Override>,
    /// Optimizer steps after which the run ends; the same as --set training.max_steps=STEPS.
    #[arg(long, value_name = "STEPS")]
    pub max_steps: Option<usize>,
    /// The store (model registry) to publish to: a directory, or s3://BUCKET/PREFIX.
    #[arg(long, env = "MODEL_STORE", required_unless_present = "dry_run")]
    pub store: Option<String>,
    #[command(flatten)]
    pub signing: SigningArgument,
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

impl RunArguments {
    /// Settings that are given beside those of the preset.
    pub fn overrides(&self) -> Vec<Override> {
        let max_steps = self.max_steps.map(|steps| Override::new("training", "max_steps", steps as i64));
        self.set.iter().cloned().chain(max_steps).collect()
    }

    /// Trains, exports, judges, publishes and promotes what is planned, as far as no earlier process has done so; nothing
    /// comes of a dry run, or if nothing is left to do. `stop` ends the training with a checkpoint.
    ///
    /// # Errors
    /// If it cannot be trained, or the store cannot be written. A version is published whole or not at all.
    pub fn run(
        &self,
        plan: &TrainingPlan,
        stopwatch: Stopwatch,
        device: &Device,
        runtime: &Runtime,
        stop: &AtomicBool,
    ) -> Result<Option<Outcome>> {
        let promotion = self.gate.promotion(self.promote.clone())?;
        let batches = plan.preset.training.accumulate_batches;
        ensure!(
            batches >= usize::from(self.devices),
            "--devices is {}, and a step has {batches} batches: set training.tokens_per_step to more, or \
             training.batch_size to less",
            self.devices
        );
        let checkpoints = plan.checkpoints(&self.checkpoints)?;
        let mut progress = Progress::new(plan.extent().total_steps(), self.log);
        progress.settings(&plan.preset, &plan.preset_toml);
        plan.notes.iter().for_each(|note| progress.note(note));
        if self.dry_run {
            drop(progress);
            println!("{}", Forecast::of(plan, &checkpoints, device, runtime)?);
            return Ok(None);
        }
        let store = runtime.block_on(self.signing.open(self.store.as_deref().unwrap_or_default()))?;
        let mirror =
            self.mirror_checkpoints.then(|| Mirror::new(&store, runtime, &plan.name, checkpoints.run()));
        let disclosure =
            Disclosure { draft_index: !self.no_draft_index, example_prompts: !self.no_example_prompts };
        let mut job = Job {
            plan,
            store: &store,
            runtime,
            checkpoints: &checkpoints,
            mirror: mirror.as_ref(),
            device,
            other_devices: self.device.others(device, self.devices),
            stop,
            progress,
        };
        match job.begin(self.beginning(), &self.promote)? {
            Begin::Training { resume, lock: _lock } => {
                job.train(resume, disclosure, stopwatch, promotion).map(Some)
            }
            Begin::Promotion { publication, version, lock: _lock } => {
                job.finish_publication(publication, version, promotion).map(Some)
            }
            Begin::Nothing => Ok(None),
        }
    }

    /// What is to become of the checkpoints of this run.
    fn beginning(&self) -> Beginning {
        match (self.resume, self.restart) {
            (true, _) => Beginning::Resume,
            (_, true) => Beginning::Restart,
            _ => Beginning::Unsaid,
        }
    }
}
