//! Training loop.
//!
//! LLMs-from-scratch, chapter 5.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Device;

use super::checkpoint::{Checkpoints, Mirror};
use super::error::TrainError;
use super::evaluation::{Evaluation, lowest, mean_loss};
use super::observer::{Observer, Step};
use super::optimizer::adamw;
use super::records::Records;
use super::samples::{Sample, SampleWriter};
use super::state::{Position, State};
use super::{gradients, schedule};
use crate::corpus::Dataset;
use crate::model::{Gpt, cross_entropy};
use crate::preset::TrainingSettings;

/// A run: data, settings, and where its state goes.
pub struct Run<'a> {
    /// Windows to train on.
    pub train_set: &'a Dataset,
    /// Windows to evaluate on.
    pub validation_set: &'a Dataset,
    /// Hyper-parameters.
    pub settings: &'a TrainingSettings,
    /// An autodiff device.
    pub device: &'a Device,
    /// Writes a text after each epoch, if there is one.
    pub samples: Option<&'a SampleWriter<'a>>,
    /// Metrics and samples, which checkpoints carry, if they are recorded.
    pub records: Option<&'a Records>,
    /// Checkpoints on this machine.
    pub checkpoints: &'a Checkpoints,
    /// Their copies in a store, if there are any.
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
        let settings = self.settings;
        let (steps_per_epoch, total_steps) = (self.steps_per_epoch(), self.total_steps());
        let mut state = self.start(model, observer)?;
        let clock = Instant::now();
        let seconds_before = state.position.seconds;

        let mut latest = match state.position.evaluations.last() {
            Some(evaluation) => evaluation.clone(),
            None => self.evaluate(&mut state, 1, observer)?,
        };
        while state.position.step < total_steps && !self.stops_early(&state.position) {
            let epoch = state.position.step / steps_per_epoch + 1;
            let batches = self.batches_of_step(epoch, state.position.step % steps_per_epoch);

            // Dropout depends on the seed and the step alone, not on what was drawn in between.
            self.device.seed(settings.seed.wrapping_add(state.position.step as u64));
            let (gradients, loss, tokens) = self.gradients(&state.model, &batches);
            let gradients = match settings.clip_gradient_norm {
                Some(largest) => gradients::clip_global_norm(&state.model, gradients, largest).0,
                None => gradients,
            };
            let learning_rate = schedule::learning_rate(settings, state.position.step, total_steps);
            state.model = state.optimizer.step(learning_rate, state.model, gradients);

            state.position.step += 1;
            state.position.tokens_seen += tokens;
            state.position.seconds = seconds_before + clock.elapsed().as_secs_f64();
            let step = state.position.step;
            if !loss.is_finite() {
                return Err(TrainError::Diverged { step, loss, learning_rate });
            }
            observer.step(Step { step, loss, tokens });
            if step % settings.evaluate_every_steps == 0 || step == total_steps {
                latest = self.evaluate(&mut state, epoch, observer)?;
            }
            if step % steps_per_epoch == 0 {
                self.write_sample(&state.model, epoch, observer)?;
            }
            let is_due = settings.checkpoint_every_steps.is_some_and(|every| step % every == 0);
            let is_told_to_stop = self.stop.load(Ordering::Relaxed);
            if step < total_steps && (is_due || is_told_to_stop) {
                let checkpoint = self.save(&state, observer)?;
                if is_told_to_stop {
                    return Err(TrainError::Stopped { step, checkpoint });
                }
            }
        }
        Ok(self.finish(state, latest, observer))
    }

    /// The state to begin with: the newest checkpoint's, or a new one.
    fn start(&self, model: Gpt, observer: &mut impl Observer) -> Result<State, TrainError> {
        let optimizer = || adamw(self.settings);
        if self.resume {
            let passed_over =
                |error: &_| observer.note(&format!("passing over a damaged checkpoint: {error}"));
            let restored = self.checkpoints.restore(&model, optimizer, self.mirror, passed_over)?;
            if let Some((state, folder)) = restored {
                let step = state.position.step;
                observer.note(&format!("going on after step {step} from {}", folder.display()));
                if let Some(records) = self.records {
                    records.restore(&folder)?;
                }
                observer.resumed(step);
                return Ok(state);
            }
            observer.note("there is no checkpoint to go on from: starting anew");
        }
        Ok(State { position: Position::default(), model, optimizer: optimizer(), best: None })
    }

    /// Writes a checkpoint, and returns its folder.
    fn save(&self, state: &State, observer: &mut impl Observer) -> Result<PathBuf, TrainError> {
        let records = self.records.map_or_else(Vec::new, Records::files);
        let checkpoint = self.checkpoints.save(state, &records)?;
        if let Some(mirror) = self.mirror {
            mirror.save(&checkpoint, |note| observer.note(note));
        }
        Ok(checkpoint)
    }

    /// The last weights, or the best where they are kept.
    fn finish(&self, state: State, latest: Evaluation, observer: &mut impl Observer) -> Trained {
        let State { position, model, best, .. } = state;
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
        Trained { model, evaluation, position }
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
    pub(super) fn gradients(&self, model: &Gpt, batches: &[Vec<usize>]) -> (GradientsParams, f64, usize) {
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

    /// Evaluates the model, and keeps its weights if they are the best so far.
    fn evaluate(
        &self,
        state: &mut State,
        epoch: usize,
        observer: &mut impl Observer,
    ) -> Result<Evaluation, TrainError> {
        let State { position, best, .. } = state;
        let model = state.model.valid();
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
        if let Some(records) = self.records {
            records.evaluation(&evaluation)?;
        }
        observer.evaluation(&evaluation);
        let index = position.evaluations.len();
        position.evaluations.push(evaluation.clone());
        if self.settings.keep_best && lowest(&position.evaluations).is_some_and(|(best, _)| best == index) {
            *best = Some(model);
        }
        Ok(evaluation)
    }

    /// Lets the model write a text after an epoch.
    fn write_sample(
        &self,
        model: &Gpt,
        epoch: usize,
        observer: &mut impl Observer,
    ) -> Result<(), TrainError> {
        let Some(writer) = self.samples else { return Ok(()) };
        let text = writer.text(&model.valid());
        let sample = Sample { epoch, text: &text };
        if let Some(records) = self.records {
            records.sample(sample)?;
        }
        observer.sample(sample);
        Ok(())
    }

    /// Whether the validation loss has not improved for as long as the settings allow.
    fn stops_early(&self, position: &Position) -> bool {
        let evaluations = &position.evaluations;
        let Some(patience) = self.settings.stop_after_evaluations else { return false };
        let best = lowest(evaluations).map_or(0, |(index, _)| index);
        evaluations.len() > best + patience
    }
}
