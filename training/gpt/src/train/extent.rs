//! Extent of a training run: its steps, and whether it has come to its end.

use super::evaluation::lowest;
use super::state::Position;
use crate::corpus::Dataset;
use crate::preset::TrainingSettings;

/// How long a run is.
#[derive(Clone, Copy, Debug)]
pub struct Extent<'a> {
    /// Epochs, steps and time.
    pub settings: &'a TrainingSettings,
    /// Full batches in an epoch.
    pub batches_per_epoch: usize,
}

impl<'a> Extent<'a> {
    /// The extent of a run on these windows.
    pub fn new(train_set: &Dataset, settings: &'a TrainingSettings) -> Self {
        Self { settings, batches_per_epoch: train_set.full_batches(settings.batch_size) }
    }

    /// Optimizer steps in an epoch, at least 1. Batches that do not fill a step are left out.
    pub fn steps_per_epoch(&self) -> usize {
        (self.batches_per_epoch / self.settings.accumulate_batches).max(1)
    }

    /// Optimizer steps in all, at the most: a time may end the run earlier.
    pub fn total_steps(&self) -> usize {
        let steps = self.steps_per_epoch().saturating_mul(self.settings.epochs);
        steps.min(self.settings.max_steps.unwrap_or(usize::MAX))
    }

    /// Optimizer steps in all, as far as that is known of a run that has come so far: with those that its time was
    /// found to be enough for.
    pub fn total_steps_of(&self, position: &Position) -> usize {
        let timed = position.timed.filter(|timed| Some(timed.max_seconds) == self.settings.max_seconds);
        timed.map_or(usize::MAX, |timed| timed.steps).min(self.total_steps())
    }

    /// Passes over the training windows in so many steps.
    pub fn epochs_of(&self, steps: usize) -> f64 {
        steps as f64 / self.steps_per_epoch() as f64
    }

    /// Evaluations after a step, if the run is not ended early.
    pub fn evaluations(&self) -> usize {
        self.total_steps().div_ceil(self.settings.evaluate_every_steps)
    }

    /// Whether a run that has come so far has nothing left to do but to be published.
    pub fn is_over(&self, position: &Position) -> bool {
        position.step >= self.total_steps_of(position) || position.diverged || self.stops_early(position)
    }

    /// Whether the validation loss has not improved for as long as the settings allow.
    fn stops_early(&self, position: &Position) -> bool {
        let evaluations = &position.evaluations;
        let Some(patience) = self.settings.stop_after_evaluations else { return false };
        let best = lowest(evaluations).map_or(0, |(index, _)| index);
        evaluations.len() > best + patience
    }
}
