//! Observer of a training run: it sees what happens and changes nothing.

use super::evaluation::Evaluation;
use super::samples::Sample;

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

/// Watches a run. Each method is called after the fact, and does nothing unless it is implemented.
pub trait Observer {
    /// An optimizer step was made.
    fn step(&mut self, _step: Step) {}
    /// The model was evaluated.
    fn evaluation(&mut self, _evaluation: &Evaluation) {}
    /// The model wrote a text, after an epoch.
    fn sample(&mut self, _sample: Sample<'_>) {}
    /// The run goes on after this step.
    fn resumed(&mut self, _step: usize) {}
    /// Anything else that is worth knowing.
    fn note(&mut self, _text: &str) {}
}
