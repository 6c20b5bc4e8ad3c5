//! Extent of a training run: its steps, and whether it has come to its end.

use super::evaluation::lowest;
use super::state::Position;
use crate::corpus::Dataset;
use crate::preset::TrainingSettings;

/// How long a run is.
#[derive(Clone, Copy, Debug)]
pub struct Extent<'a> {
    settings: &'a TrainingSettings,
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

    /// Optimizer steps in all.
    pub fn total_steps(&self) -> usize {
        self.steps_per_epoch() * self.settings.epochs
    }

    /// Evaluations after a step, if the run is not ended early.
    pub fn evaluations(&self) -> usize {
        self.total_steps().div_ceil(self.settings.evaluate_every_steps)
    }

    /// Whether a run that has come so far has nothing left to do but to be published.
    pub fn is_over(&self, position: &Position) -> bool {
        position.step >= self.total_steps() || position.diverged || self.stops_early(position)
    }

    /// Whether the validation loss has not improved for as long as the settings allow.
    fn stops_early(&self, position: &Position) -> bool {
        let evaluations = &position.evaluations;
        let Some(patience) = self.settings.stop_after_evaluations else { return false };
        let best = lowest(evaluations).map_or(0, |(index, _)| index);
        evaluations.len() > best + patience
    }
}
