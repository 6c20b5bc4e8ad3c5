//! State of a run: what checkpoints save, and all that a run needs to go on.

use burn::optim::ModuleOptimizer;
use serde::{Deserialize, Serialize};

use super::evaluation::Evaluation;
use crate::model::Gpt;

/// State of a run between two steps.
pub struct State {
    /// How far it has come.
    pub position: Position,
    /// Weights, on the run's device.
    pub model: Gpt,
    /// Moments of each weight.
    pub optimizer: ModuleOptimizer,
    /// Weights with the lowest validation loss so far, where they are kept.
    pub best: Option<Gpt>,
}

/// The end of a run by its time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// `training.max_seconds` when it was fixed.
    pub max_seconds: f64,
    /// Steps that it is enough for.
    pub steps: usize,
}

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Optimizer steps done.
    pub step: usize,
    /// Tokens trained on.
    pub tokens_seen: usize,
    /// Training time so far, without interruptions.
    pub seconds: f64,
    /// Every evaluation so far.
    pub evaluations: Vec<Evaluation>,
    /// Steps that the run was to have when this was written; it can be made longer.
    pub planned_steps: usize,
    /// How many steps its time is enough for, from when that is fixed on: when the learning rate begins to decay.
    #[serde(default)]
    pub timed: Option<Timed>,
    /// Steps that left the weights as they were, since gradients were no finite numbers.
    #[serde(default)]
    pub skipped_steps: usize,
    /// Those of them since the last other one.
    #[serde(default)]
    pub skipped_in_a_row: usize,
    /// Whether it was said that the model learns its text by heart.
    #[serde(default)]
    pub memorizes: bool,
    /// Whether the loss was no number in the end: there is nothing to go on with but the best weights.
    pub diverged: bool,
}
