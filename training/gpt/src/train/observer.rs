//! Observer of a training run: it sees what happens and changes nothing.

use serde::Serialize;

use super::evaluation::Evaluation;
use super::samples::Sample;

/// One optimizer step.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Step {
    /// Optimizer steps done, this one included.
    pub step: usize,
    /// Loss of this step's batches, before the step, nats per token.
    pub loss: f64,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Global norm of its gradients, before they are clipped.
    pub gradient_norm: f64,
    /// Tokens in its batches.
    #[serde(skip)]
    pub tokens: usize,
    /// These tokens over the time that the step took.
    pub tokens_per_second: f64,
    /// Training time so far.
    pub seconds: f64,
    /// Steps so far that changed no weight, since gradients were no finite numbers.
    #[serde(skip_serializing_if = "is_none")]
    pub skipped_steps: usize,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

/// Watches a run. Each method is called after the fact, and does nothing unless it is implemented.
pub trait Observer {
    /// An optimizer step was made.
    fn step(&mut self, _step: Step) {}
    /// The model was evaluated.
    fn evaluation(&mut self, _evaluation: &Evaluation) {}
    /// The run has so many steps in all, which was not known before.
    fn planned(&mut self, _total_steps: usize) {}
    /// The model wrote a text.
    fn sample(&mut self, _sample: Sample<'_>) {}
    /// The run goes on after this step.
    fn resumed(&mut self, _step: usize) {}
    /// Anything else that is worth knowing.
    fn note(&mut self, _text: &str) {}
}
