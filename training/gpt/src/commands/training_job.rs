//! One process of a training run: what earlier ones have left of it is continued, from the first step to the
//! publication.

use std::fmt::Display;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, anyhow};
use burn::module::Module;
use burn::tensor::Device;
use gpt::device::DeviceChoice;
use gpt::memory;
use gpt::preset::Preset;
use gpt::release::report::Stopwatch;
use gpt::release::trained::{Disclosure, judge_published, prepare};
use gpt::release::{Outcome, Promotion, TrainingPlan};
use gpt::train::checkpoint::{Left, RunLock};
use gpt::train::{
    CheckpointError, Checkpoints, Mirror, Observer, Progress, Publication, Records, Run, Trained, Workers,
};
use indicatif::HumanBytes;
use store::{ModelVersion, Store, StoreError};
use tokio::runtime::Runtime;

/// What the user wants to become of checkpoints that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Go on from them.
    Resume,
    /// Remove them.
    Restart,
    /// It was not said.
    Unsaid,
}

/// What is left to do.
pub enum Begin {
    /// To train, or to publish what is trained.
    Training {
        /// Whether to go on from a checkpoint.
        resume: bool,
        /// Held against other processes.
        lock: RunLock,
    },
    /// The version is published, and it was not decided about the channel.
    Promotion {
        /// Its record.
        publication: Publication,
        /// The version.
        version: Box<ModelVersion>,
        /// Held against other processes.
        lock: RunLock,
    },
    /// The run is published, and was decided about.
    Nothing,
}

/// A process of a training run.
pub struct Job<'a> {
    /// What is trained.
    pub plan: &'a TrainingPlan,
    /// Where it is published.
    pub store: &'a Store,
    /// Talks to the store.
    pub runtime: &'a Runtime,
    /// Checkpoints on this machine.
    pub checkpoints: &'a Checkpoints,
    /// Their copies in the store, if there are any.
    pub mirror: Option<&'a Mirror<'a>>,
    /// An autodiff device.
    pub device: &'a Device,
    /// Those of its workers.
    pub other_devices: Vec<DeviceChoice>,
    /// Set from outside: write a checkpoint and stop.
    pub stop: &'a AtomicBool,
    /// Reports on it.
    pub progress: Progress,
}

impl Job<'_> {
    /// Looks at what earlier processes have left, and locks the run, which is to be promoted to `channel`.
    ///
    /// # Errors
    /// If another process trains it, checkpoints cannot be read, or it was not said what is to become of them.
    pub fn begin(&mut self, beginning: Beginning, channel: &str) -> Result<Begin> {
        let lock = self.checkpoints.lock()?;
        if beginning == Beginning::Restart {
            self.clear()?;
            return self.anew(lock);
        }
        let (left, extent) = (self.left(beginning)?, self.plan.extent());
        let is_over = left.as_ref().is_some_and(|left| extent.is_over(&left.position));
        if (left.is_none() || is_over)
            && let Some((publication, version)) = self.published()?
        {
            return self.after_publication(publication, version, beginning, channel, lock);
        }
        match left {
            None if beginning == Beginning::Resume => {
                self.look_elsewhere()?;
                Ok(Begin::Training { resume: true, lock })
            }
            None => self.anew(lock),
            Some(_) if beginning == Beginning::Resume => Ok(Begin::Training { resume: true, lock }),
            Some(Left { position, .. }) if is_over => {
                let step = position.step;
                self.progress
                    .note(&format!("this run is trained, to step {step}: what is left is its publication"));
                Ok(Begin::Training { resume: true, lock })
            }
            Some(Left { position, place }) => {
                let (step, total) = (position.step, extent.total_steps_of(&position));
                Err(CheckpointError::Unfinished { place, step, total }.into())
            }
        }
    }

    /// What is left to do when a version of this run is in the store, and nothing to train.
    fn after_publication(
        &mut self,
        publication: Publication,
        version: ModelVersion,
        beginning: Beginning,
        channel: &str,
        lock: RunLock,
    ) -> Result<Begin> {
        // A channel that was never set was not decided about either.
        let is_decided =
            publication.complete && self.runtime.block_on(self.store.find_channel(channel))?.is_some();
        if !is_decided && (beginning == Beginning::Resume || !publication.complete) {
            return Ok(Begin::Promotion { publication, version: Box::new(version), lock });
        }
        if beginning != Beginning::Resume {
            return self.anew(lock);
        }
        let reference = version.reference;
        if publication.planned_steps >= self.plan.extent().total_steps() {
            self.progress.note(&format!(
                "this run is complete: it is published as {reference}; `gpt promote` lets another channel name it, and \
                 --restart trains it anew"
            ));
            return Ok(Begin::Nothing);
        }
        self.progress.note(&format!(
            "this run is published as {reference}, and its checkpoints are removed: starting anew; to train that \
             model further: gpt finetune version:{}/{}",
            reference.name, reference.version
        ));
        self.anew(lock)
    }

    /// Refuses to take another run of this model for the one to go on with; those in the store, which machines
    /// that vanish have left, are only noted.
    fn look_elsewhere(&mut self) -> Result<()> {
        self.checkpoints.refuse_others()?;
        if let Some(mirror) = self.mirror
            && mirror.has_others()?
        {
            self.progress.note(&format!(
                "the store has checkpoints of other runs of {}, with other settings or texts; they stay as they are",
                self.plan.name
            ));
        }
        Ok(())
    }

    /// Trains to the end, publishes the model, and promotes it if the gate lets it pass.
    ///
    /// # Errors
    /// If it cannot go on; then checkpoints are there that the same command can go on from.
    pub fn train(
        mut self,
        resume: bool,
        disclosure: Disclosure,
        mut stopwatch: Stopwatch,
        promotion: Promotion,
    ) -> Result<Outcome> {
        // Staged now rather than after the training: a store that cannot be written is an early error.
        let staged = self.runtime.block_on(self.store.stage(&self.plan.name))?;
        let records = Records::create(&staged.path(""))?;
        let trained = self.run_training(resume, &records)?;
        // The training has its own clock, which an interruption does not reset.
        stopwatch.skip();
        let note = |text: &str| self.progress.note(text);
        let prepared = prepare(self.plan, &trained, disclosure, staged, stopwatch, note);
        let (prepared, judgement) = prepared.map_err(|error| kept(&trained.checkpoint, error))?;
        let publication = Publication {
            name: prepared.manifest.name.clone(),
            version: prepared.manifest.version.clone(),
            planned_steps: self.plan.extent().total_steps(),
            complete: false,
        };
        self.record(&publication)?;
        let published = self.runtime.block_on(prepared.publish());
        let published = published.map_err(|error| kept(&trained.checkpoint, error))?;
        let text = self.plan.validation_text();
        let outcome = Outcome::of(published, Some(promotion), self.store, &judgement, Some(&text));
        let outcome = self.runtime.block_on(outcome).map_err(|error| undecided(&publication, error))?;
        self.complete(publication)?;
        Ok(outcome)
    }

    /// Decides about the channel of a version that an earlier process has published.
    ///
    /// # Errors
    /// If the version cannot be read, or the channel not be changed.
    pub fn finish_publication(
        mut self,
        publication: Publication,
        version: Box<ModelVersion>,
        promotion: Promotion,
    ) -> Result<Outcome> {
        let published = version.reference.clone();
        self.progress.note(&format!("this run is published as {published}; judging it for its channel"));
        let outcome = async {
            let judgement = judge_published(self.plan, *version).await?;
            let text = self.plan.validation_text();
            Outcome::of(published, Some(promotion), self.store, &judgement, Some(&text)).await
        };
        let outcome = self.runtime.block_on(outcome).map_err(|error| undecided(&publication, error))?;
        self.complete(publication)?;
        Ok(outcome)
    }

    fn run_training(&mut self, resume: bool, records: &Records) -> Result<Trained> {
        let plan = self.plan;
        let workers = self.workers()?;
        let run = Run {
            train_set: &plan.train_set,
            validation_set: &plan.validation_set,
            settings: &plan.preset.training,
            device: self.device,
            samples: Some(&plan.sample_writer(self.device)),
            workers: workers.as_ref(),
            records: Some(records),
            checkpoints: self.checkpoints,
            mirror: self.mirror,
            resume,
            stop: self.stop,
        };
        let model = self.runtime.block_on(plan.model(self.device))?;
        self.progress.note(&format!(
            "training {} ({} parameters) on {}: {}",
            plan.name,
            model.num_params(),
            plan.corpus.name(),
            plan.describe_extent(),
        ));
        let trained = run.train(model, &mut self.progress)?;
        if let (Some(_), Some(first)) = (&plan.start, trained.position.evaluations.first()) {
            let last = &trained.evaluation;
            self.progress.note(&format!(
                "validation loss {} before, and {} after {} steps",
                first.described(),
                last.described(),
                last.step
            ));
        }
        if let Some(bytes) = memory::peak_bytes() {
            self.progress.note(&format!("peak memory of the training: {}", HumanBytes(bytes)));
        }
        Ok(trained)
    }

    /// The processes that compute on the other devices, if there are any.
    fn workers(&self) -> Result<Option<Workers>> {
        if self.other_devices.is_empty() {
            return Ok(None);
        }
        let Preset { model, training, lora, .. } = &self.plan.preset;
        let program = std::env::current_exe()?;
        Ok(Some(Workers::start(&program, &self.other_devices, model, training.arithmetic(), lora.as_ref())?))
    }

    /// The newest checkpoint. Without one on this machine, a mirror that cannot be read is an error only where
    /// it is needed.
    fn left(&mut self, beginning: Beginning) -> Result<Option<Left>, CheckpointError> {
        match self.checkpoints.left(self.mirror) {
            Err(error @ CheckpointError::Mirror(_)) if beginning != Beginning::Resume => {
                self.progress
                    .note(&format!("whether the store has checkpoints of this run is unknown: {error}"));
                self.checkpoints.left(None)
            }
            left => left,
        }
    }

    /// The version that this run was published as, if it is in this store.
    fn published(&self) -> Result<Option<(Publication, ModelVersion)>, StoreError> {
        let Some(publication) = Publication::read(self.checkpoints, self.mirror) else { return Ok(None) };
        let found = self.store.find_version(&publication.name, &publication.version);
        match self.runtime.block_on(found) {
            Ok(version) => Ok(Some((publication, version))),
            Err(StoreError::NoVersion { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn anew(&mut self, lock: RunLock) -> Result<Begin> {
        Publication::forget(self.checkpoints, self.mirror, |note| self.progress.note(note))?;
        Ok(Begin::Training { resume: false, lock })
    }

    fn record(&mut self, publication: &Publication) -> Result<(), CheckpointError> {
        publication.write(self.checkpoints, self.mirror, |note| self.progress.note(note))
    }

    /// Nothing is left to do: the checkpoints can go.
    fn complete(&mut self, publication: Publication) -> Result<(), CheckpointError> {
        self.record(&Publication { complete: true, ..publication })?;
        self.clear()
    }

    fn clear(&mut self) -> Result<(), CheckpointError> {
        self.checkpoints.clear()?;
        if let Some(mirror) = self.mirror {
            mirror.clear(|note| self.progress.note(note));
        }
        Ok(())
    }
}

/// The error of a publication that failed, and how not to lose what is trained.
fn kept(checkpoint: &Path, error: impl Display) -> anyhow::Error {
    anyhow!(
        "{error}; the trained weights are kept in {}: with that solved, the same command with --resume publishes them",
        checkpoint.display()
    )
}

/// The error of a promotion that failed after the publication.
fn undecided(publication: &Publication, error: impl Display) -> anyhow::Error {
    let Publication { name, version, .. } = publication;
    anyhow!(
        "{error}; {name} {version} is published: with that solved, the same command with --resume decides about the \
         channel"
    )
}
