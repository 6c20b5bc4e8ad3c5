//! The training loop.
//!
//! - this file: the loop, which reads from top to bottom;
//! - [`schedule`][]: the step size over time;
//! - [`gradients`][]: clipping;
//! - [`adamw`][mod@adamw]: what a step does with a weight;
//! - [`checkpoint`][]: stopping and going on;
//! - [`mirror`][]: going on elsewhere.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use artifact::GptConfig;
use burn::module::{Module, ParamGroup};
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::dataset::Dataset;
use crate::evaluate::mean_loss;
use crate::model::{Gpt, cross_entropy, init};
use crate::preset::{Initialization, TrainingSettings};

pub mod adamw;
pub mod checkpoint;
mod difference;
pub mod gradients;
pub mod mirror;
pub mod schedule;

use adamw::AdamW;
use checkpoint::{CheckpointError, Checkpoints, Position, Restored};
use mirror::Mirror;

/// Where training stands, at an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Optimizer steps done.
    pub step: usize,
    /// Tokens that these steps have trained on.
    pub tokens_seen: usize,
    /// Loss on training data, nats per token.
    pub train_loss: f64,
    /// Loss on validation data, nats per token.
    pub val_loss: f64,
    /// Spent on training so far.
    pub seconds: f64,
}

/// One optimizer step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Optimizer steps done, this one included.
    pub step: usize,
    /// Loss of this step's batches, before the step.
    pub loss: f64,
    /// Tokens in this step's batches.
    pub tokens: usize,
}

/// What is told to whoever watches the training.
pub trait Observer {
    /// After each step.
    fn step(&mut self, step: Step);
    /// After each evaluation.
    ///
    /// # Errors
    /// If it cannot be recorded, which ends the training.
    fn evaluation(&mut self, evaluation: &Evaluation) -> std::io::Result<()>;
    /// After each epoch, with the model in evaluation mode.
    ///
    /// # Errors
    /// If it cannot be recorded, which ends the training.
    fn epoch(&mut self, epoch: usize, model: &Gpt) -> std::io::Result<()>;
    /// Something that is worth knowing.
    fn note(&mut self, text: &str);
    /// The files that it writes: they go into checkpoints.
    fn records(&self) -> Vec<PathBuf>;
    /// Before a run goes on from a checkpoint: takes over what was recorded up to it.
    ///
    /// # Errors
    /// If it cannot be read, which ends the training.
    fn resume(&mut self, checkpoint: &std::path::Path, step: usize) -> std::io::Result<()>;
}

/// Why training ended early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The loss is no longer a number.
    #[error(
        "the loss of step {step} is {loss}: training has diverged; lower `learning_rate` ({learning_rate})"
    )]
    Diverged {
        /// The step.
        step: usize,
        /// Its loss.
        loss: f64,
        /// The setting that is most often at fault.
        learning_rate: f64,
    },
    /// The observer could not record what happened.
    #[error("recording the progress of training: {0}")]
    Record(#[from] std::io::Error),
    /// A checkpoint could not be written, or belongs to another run.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It was asked to stop.
    #[error("stopped after step {step}; {checkpoint} holds it, run the same command with --resume to go on")]
    Stopped {
        /// The last step.
        step: usize,
        /// Where it can go on from.
        checkpoint: PathBuf,
    },
}

/// What to train on, and how.
pub struct Run<'a> {
    /// Windows to train on.
    pub train_set: &'a Dataset,
    /// Windows to judge by.
    pub validation_set: &'a Dataset,
    /// How.
    pub settings: &'a TrainingSettings,
    /// Where: an autodiff device.
    pub device: &'a Device,
    /// Where checkpoints lie.
    pub checkpoints: &'a Checkpoints,
    /// Where else they lie, if anywhere.
    pub mirror: Option<&'a Mirror<'a>>,
    /// Whether to go on from the newest checkpoint, if there is one.
    pub resume: bool,
    /// Set from outside: write a checkpoint and stop.
    pub stop: &'a AtomicBool,
}

/// A trained model, in evaluation mode.
pub struct Trained {
    /// The last weights, or the best.
    pub model: Gpt,
    /// The evaluation of these weights.
    pub evaluation: Evaluation,
    /// The whole run.
    pub position: Position,
}

/// Makes a model with random weights that the seed decides.
pub fn new_model(config: &GptConfig, settings: &TrainingSettings, device: &Device) -> Gpt {
    device.seed(settings.seed);
    let model = Gpt::new(config, device);
    match settings.initialization {
        Initialization::Pytorch => model,
        Initialization::Gpt2 => init::gpt2(model),
    }
}

/// The optimizer of a run, with PyTorch's defaults where the settings are silent.
pub fn adamw(settings: &TrainingSettings) -> ModuleOptimizer {
    let optimizer = ModuleOptimizer::from(AdamW::new(settings.weight_decay));
    if settings.decay_vectors {
        return optimizer;
    }
    let vectors = ParamGroup::from_any_predicates(vec!["bias", "scale", "shift"]);
    optimizer.with_group(vectors, AdamW::new(0.0), None)
}

impl Run<'_> {
    /// Optimizer steps in an epoch, at least 1. Batches that do not fill a step are left out.
    pub fn steps_per_epoch(&self) -> usize {
        let batches = self.train_set.full_batches(self.settings.batch_size);
        (batches / self.settings.accumulate_batches).max(1)
    }

    /// Optimizer steps in all.
    pub fn total_steps(&self) -> usize {
        self.steps_per_epoch() * self.settings.epochs
    }

    /// Trains `model`, which lies on the run's device.
    ///
    /// The same model, data, settings and number of threads give the same weights, bit for bit,
    /// whether the run was interrupted or not.
    ///
    /// # Errors
    /// If the loss stops being a number, a checkpoint or a record cannot be written, or the run is
    /// told to stop.
    pub fn train(&self, model: Gpt, observer: &mut impl Observer) -> Result<Trained, TrainError> {
        let Self { settings, device, .. } = *self;
        let Start { mut model, mut optimizer, mut position, mut best } = self.start(model, observer)?;
        let clock = Instant::now();
        let seconds_before = position.seconds;

        let mut latest = match position.evaluations.last() {
            Some(evaluation) => evaluation.clone(),
            None => self.evaluate(&model, 1, &mut position, observer)?,
        };
        let steps_per_epoch = self.steps_per_epoch();
        while position.step < self.total_steps() && !self.stops_early(&position) {
            let epoch = position.step / steps_per_epoch + 1;
            let batches = self.batches_of_step(epoch, position.step % steps_per_epoch);

            // Dropout depends on the seed and the step alone, not on what was drawn in between.
            device.seed(settings.seed.wrapping_add(position.step as u64));
            let (gradients, loss, tokens) = self.gradients(&model, &batches);
            let gradients = match settings.clip_gradient_norm {
                Some(largest) => gradients::clip_global_norm(&model, gradients, largest).0,
                None => gradients,
            };
            let learning_rate = schedule::learning_rate(settings, position.step, self.total_steps());
            model = optimizer.step(learning_rate, model, gradients);

            position.step += 1;
            position.tokens_seen += tokens;
            position.seconds = seconds_before + clock.elapsed().as_secs_f64();
            let step = position.step;
            if !loss.is_finite() {
                return Err(TrainError::Diverged { step, loss, learning_rate });
            }
            observer.step(Step { step, loss, tokens });
            let is_last = step == self.total_steps();
            if step % settings.evaluate_every_steps == 0 || is_last {
                latest = self.evaluate(&model, epoch, &mut position, observer)?;
                let index = position.evaluations.len() - 1;
                if settings.keep_best && lowest(&position.evaluations).is_some_and(|(best, _)| best == index)
                {
                    best = Some(model.valid());
                }
            }
            if step % steps_per_epoch == 0 {
                observer.epoch(epoch, &model.valid())?;
            }
            let is_due = settings.checkpoint_every_steps.is_some_and(|every| step % every == 0);
            let is_told_to_stop = self.stop.load(Ordering::Relaxed);
            if !is_last && (is_due || is_told_to_stop) {
                let records = observer.records();
                let checkpoint =
                    self.checkpoints.save(&position, &model, &optimizer, best.as_ref(), &records)?;
                if let Some(mirror) = self.mirror {
                    mirror.save(&checkpoint, |note| observer.note(note));
                }
                if is_told_to_stop {
                    return Err(TrainError::Stopped { step, checkpoint });
                }
            }
        }
        if position.step < self.total_steps() {
            observer.note(&format!("stopping early after step {}: the validation loss rises", position.step));
        }
        let (model, evaluation) = match (best, lowest(&position.evaluations)) {
            (Some(model), Some((_, evaluation))) => {
                observer.note(&format!("keeping the weights of step {}, the best", evaluation.step));
                (model, evaluation.clone())
            }
            _ => (model.valid(), latest),
        };
        Ok(Trained { model, evaluation, position })
    }

    /// The state to begin with: the newest checkpoint's, or a new one.
    fn start(&self, model: Gpt, observer: &mut impl Observer) -> Result<Start, TrainError> {
        let optimizer = || adamw(self.settings);
        let restored = if self.resume {
            self.checkpoints.restore(&model, optimizer, self.mirror, |error| {
                observer.note(&format!("passing over a damaged checkpoint: {error}"));
            })?
        } else {
            None
        };
        match restored {
            Some(Restored { position, model, optimizer, best, folder }) => {
                observer.note(&format!("going on after step {} from {}", position.step, folder.display()));
                observer.resume(&folder, position.step)?;
                Ok(Start { model, optimizer, position, best })
            }
            None => {
                if self.resume {
                    observer.note("there is no checkpoint to go on from: starting anew");
                }
                Ok(Start { model, optimizer: optimizer(), position: Position::default(), best: None })
            }
        }
    }

    /// Windows of the batches that make up a step, `[accumulate_batches][batch]`.
    fn batches_of_step(&self, epoch: usize, step_of_epoch: usize) -> Vec<Vec<usize>> {
        let TrainingSettings { batch_size, accumulate_batches, seed, .. } = *self.settings;
        let batches = self.train_set.full_batches(batch_size);
        let first = step_of_epoch * accumulate_batches;
        (first..batches.min(first + accumulate_batches))
            .map(|batch| self.train_set.shuffled_batch(batch, batch_size, seed, epoch))
            .collect()
    }

    /// Gradients of the mean loss over some batches, that loss, and the number of tokens.
    fn gradients(&self, model: &Gpt, batches: &[Vec<usize>]) -> (GradientsParams, f64, usize) {
        let (mut total_loss, mut tokens) = (0.0, 0);
        let mut accumulator = GradientsAccumulator::new();
        for windows in batches {
            let batch = self.train_set.batch(windows, self.device);
            tokens += batch.inputs.shape().num_elements();
            // 1. How wrong is the model?
            let loss = cross_entropy(model.forward(batch.inputs), batch.targets) / batches.len() as f64;
            // 2. How does the loss change with each weight?
            let gradients = GradientsParams::from_grads(loss.backward(), model);
            total_loss += f64::from(loss.into_scalar::<f32>());
            if batches.len() == 1 {
                return (gradients, total_loss, tokens);
            }
            accumulator.accumulate(model, gradients);
        }
        (accumulator.grads(), total_loss, tokens)
    }

    fn evaluate(
        &self,
        model: &Gpt,
        epoch: usize,
        position: &mut Position,
        observer: &mut impl Observer,
    ) -> Result<Evaluation, TrainError> {
        let model = model.valid();
        let device = self.device.clone().without_autodiff();
        let TrainingSettings { batch_size, evaluation_batches, .. } = *self.settings;
        let loss = |dataset: &Dataset| mean_loss(&model, dataset, batch_size, evaluation_batches, &device);
        let evaluation = Evaluation {
            epoch,
            step: position.step,
            tokens_seen: position.tokens_seen,
            train_loss: loss(self.train_set),
            val_loss: loss(self.validation_set),
            seconds: position.seconds,
        };
        observer.evaluation(&evaluation)?;
        position.evaluations.push(evaluation.clone());
        Ok(evaluation)
    }

    /// Whether the validation loss has not improved for as long as the settings allow.
    fn stops_early(&self, position: &Position) -> bool {
        let evaluations = &position.evaluations;
        let Some(patience) = self.settings.stop_after_evaluations else { return false };
        let best = lowest(evaluations).map_or(0, |(index, _)| index);
        evaluations.len() > best + patience
    }
}

/// What the loop begins with.
struct Start {
    model: Gpt,
    optimizer: ModuleOptimizer,
    position: Position,
    best: Option<Gpt>,
}

/// The first evaluation with the lowest validation loss, after at least one step.
fn lowest(evaluations: &[Evaluation]) -> Option<(usize, &Evaluation)> {
    let trained = evaluations.iter().enumerate().filter(|(_, evaluation)| evaluation.step > 0);
    trained.min_by(|(_, a), (_, b)| a.val_loss.total_cmp(&b.val_loss))
}

#[cfg(test)]
mod tests;
