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
    /// Whether the loss was no number in the end: there is nothing to go on with but the best weights.
    pub diverged: bool,
}
