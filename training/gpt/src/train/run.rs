//! Training loop.
//!
//! LLMs-from-scratch, chapter 5.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;

use super::checkpoint::{Checkpoints, Mirror};
use super::error::TrainError;
use super::evaluation::{Evaluation, lowest};
use super::extent::Extent;
use super::observer::Observer;
use super::optimizer::optimizer;
use super::pace::{Pace, end_by_time};
use super::records::Records;
use super::samples::SampleWriter;
use super::schedule::decay_start;
use super::state::{Position, State, Timed};
use super::workers::Workers;
use crate::corpus::{Batch, Dataset};
use crate::device::Arithmetic;
use crate::model::{Adapters, Gpt};
use crate::preset::TrainingSettings;

/// A run: data, settings, and where its state goes.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// Windows to train on.
    pub train_set: &'a Dataset,
    /// Windows to evaluate on.
    pub validation_set: &'a Dataset,
    /// Hyper-parameters.
    pub settings: &'a TrainingSettings,
    /// An autodiff device.
    pub device: &'a Device,
    /// Writes sample texts, if there is one.
    pub samples: Option<&'a SampleWriter<'a>>,
    /// Processes that compute gradients of a part of each step, if there are any.
    pub workers: Option<&'a Workers>,
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

/// A trained model, in evaluation mode and computed from primitives.
pub struct Trained {
    /// The last weights, or the best, with what was learned in their place worked into them.
    pub model: Gpt,
    /// What was learned in place of the weights, if it was.
    pub adapters: Option<Adapters>,
    /// The evaluation of these weights.
    pub evaluation: Evaluation,
    /// The whole run.
    pub position: Position,
    /// The checkpoint that holds all of this.
    pub checkpoint: PathBuf,
}

impl Run<'_> {
    /// Its steps and its end.
    pub fn extent(&self) -> Extent<'_> {
        Extent::new(self.train_set, self.settings)
    }

    /// Trains `model`, which lies on the run's device. In the end there is a checkpoint of all of it.
    ///
    /// The same model, data, settings and number of threads give the same weights, bit for bit,
    /// whether the run was interrupted or not. A run that diverges ends with its best weights, where they are
    /// kept.
    ///
    /// # Errors
    /// If the loss stops being a number and no best weights are kept, a checkpoint or a record cannot be
    /// written, or the run is told to stop.
    pub fn train(&self, model: Gpt, observer: &mut impl Observer) -> Result<Trained, TrainError> {
        let (mut state, checkpoint) = self.start(model, observer)?;
        let clock = Clock { start: Instant::now(), seconds_before: state.position.seconds };
        if state.position.evaluations.is_empty() {
            let loss = self.evaluate(&mut state, 1, observer)?;
            if !loss.is_finite() {
                return Err(TrainError::NoLoss);
            }
        }
        let first = state.position.step;
        let (state, checkpoint) =
            self.batches().ahead(first, |next| self.steps(state, checkpoint, clock, next, observer))?;
        // What follows the training can fail, or be killed.
        let checkpoint = checkpoint.map_or_else(|| self.save(&state, observer), Ok)?;
        self.finish(state, checkpoint, observer)
    }

    /// The steps from a state to the end, with the batches that `next` gives for each; the state after them, and the
    /// checkpoint that holds it, if there is one.
    fn steps(
        &self,
        mut state: State,
        mut checkpoint: Option<PathBuf>,
        clock: Clock,
        next: &mut dyn FnMut() -> Vec<Batch>,
        observer: &mut impl Observer,
    ) -> Result<(State, Option<PathBuf>), TrainError> {
        let (settings, extent) = (self.settings, self.extent());
        let mut pace = Pace::default();
        while !extent.is_over(&state.position) {
            let began = clock.seconds();
            state.position.seconds = began;
            self.plan_end(&mut state.position, &pace, observer);
            let step;
            (state, step) = self.step(state, &next())?;
            pace.step(began, step.seconds);
            checkpoint = None;
            if let Err(diverged) = self.after_step(&mut state, step, observer)? {
                diverge(&mut state, diverged, observer)?;
                break;
            }
            let step = step.step;
            let is_due = settings.checkpoint_every_steps.is_some_and(|every| step % every == 0);
            let is_told_to_stop = self.stop.load(Ordering::Relaxed);
            if is_due || is_told_to_stop {
                let saved = self.save(&state, observer)?;
                if is_told_to_stop {
                    return Err(TrainError::Stopped { step, checkpoint: saved });
                }
                checkpoint = Some(saved);
            }
        }
        Ok((state, checkpoint))
    }

    /// Fixes the number of steps of a run that trains until a time, when the learning rate is to decay.
    fn plan_end(&self, position: &mut Position, pace: &Pace, observer: &mut impl Observer) {
        let Some(timed) = end_by_time(self.settings, &self.extent(), position, pace) else { return };
        let Timed { max_seconds, steps } = timed;
        position.timed = Some(timed);
        position.planned_steps = steps;
        observer.planned(steps);
        observer.note(&format!(
            "after step {} the time of {max_seconds} s is enough for {steps} steps, with which the run ends",
            position.step
        ));
    }

    /// The state to begin with: that of the newest checkpoint, which comes with it, or a new one.
    fn start(
        &self,
        model: Gpt,
        observer: &mut impl Observer,
    ) -> Result<(State, Option<PathBuf>), TrainError> {
        let optimizer = || optimizer(self.settings);
        if self.resume {
            let passed_over =
                |error: &_| observer.note(&format!("passing over a damaged checkpoint: {error}"));
            let restored = self.checkpoints.restore(&model, optimizer, self.mirror, passed_over)?;
            if let Some((mut state, folder)) = restored {
                self.plan_anew(&mut state.position, observer)?;
                let step = state.position.step;
                observer.note(&format!("going on after step {step} from {}", folder.display()));
                if let Some(records) = self.records {
                    records.restore(&folder)?;
                }
                observer.resumed(step);
                return Ok((state, Some(folder)));
            }
            observer.note("there is no checkpoint to go on from: starting anew");
        }
        let position = Position { planned_steps: self.extent().total_steps(), ..Position::default() };
        Ok((State { position, model, optimizer: optimizer(), best: None }, None))
    }

    /// Takes over a run that was planned for another number of steps, and notes what that does.
    fn plan_anew(&self, position: &mut Position, observer: &mut impl Observer) -> Result<(), TrainError> {
        let extent = self.extent();
        let (step, planned, total) = (position.step, position.planned_steps, extent.total_steps_of(position));
        if step > total {
            let epochs = step.div_ceil(extent.steps_per_epoch());
            return Err(TrainError::TooFar { step, total, epochs });
        }
        if planned != total {
            let decay_start = decay_start(self.settings, planned).min(decay_start(self.settings, total));
            let effect = match self.settings.final_learning_rate {
                None => {
                    "the learning rate is constant, so the weights are those of a run planned so from the start"
                }
                Some(_) if step <= decay_start => {
                    "the learning rate has not decayed yet, so the weights are those of a run planned so from the \
                     start"
                }
                Some(_) => {
                    "the learning rate follows the decay of the new number from here on, so the weights are not \
                     those of a run planned so from the start"
                }
            };
            observer.note(&format!("the run had {planned} steps and has {total} now: {effect}"));
        }
        position.planned_steps = total;
        observer.planned(total);
        Ok(())
    }

    /// Writes a checkpoint, and returns its folder.
    fn save(&self, state: &State, observer: &mut impl Observer) -> Result<PathBuf, TrainError> {
        let records = self.records.map(Records::files).transpose()?.unwrap_or_default();
        let checkpoint = self.checkpoints.save(state, &records)?;
        if let Some(mirror) = self.mirror {
            mirror.save(&checkpoint, |note| observer.note(note));
        }
        Ok(checkpoint)
    }

    /// The last weights, or the best where they are kept.
    fn finish(
        &self,
        state: State,
        checkpoint: PathBuf,
        observer: &mut impl Observer,
    ) -> Result<Trained, TrainError> {
        let State { position, model, best, .. } = state;
        let step = position.step;
        if self.stop.load(Ordering::Relaxed) {
            return Err(TrainError::Stopped { step, checkpoint });
        }
        if step < self.extent().total_steps_of(&position) && !position.diverged {
            observer.note(&format!("stopping early after step {step}: the validation loss rises"));
        }
        let kept = best.and_then(|model| Some((model, lowest(&position.evaluations)?.1.clone())));
        let latest = position.evaluations.last().cloned();
        let (model, evaluation) = match (kept, latest) {
            (Some((model, evaluation)), _) => {
                observer.note(&format!("keeping the weights of step {}, the best", evaluation.step));
                (model, evaluation)
            }
            (None, Some(evaluation)) => (model.valid(), evaluation),
            (None, None) => return Err(TrainError::NoLoss),
        };
        // Exports are made from the weights and compared with the definition; other products have fewer bits.
        let model = model.with_arithmetic(Arithmetic::Primitives);
        let adapters = model.adapters();
        Ok(Trained { model: model.merged(), adapters, evaluation, position, checkpoint })
    }
}

/// Training time, that of earlier processes included.
#[derive(Clone, Copy)]
struct Clock {
    start: Instant,
    seconds_before: f64,
}

impl Clock {
    fn seconds(self) -> f64 {
        self.seconds_before + self.start.elapsed().as_secs_f64()
    }
}

/// Ends a run that has diverged: with its best weights, if there are any.
fn diverge(state: &mut State, diverged: TrainError, observer: &mut impl Observer) -> Result<(), TrainError> {
    if state.best.is_none() {
        return Err(diverged);
    }
    observer.note(&format!("{diverged}. The run ends here, with its best weights"));
    state.position.diverged = true;
    Ok(())
}
