//! Progress of loading a model.

use std::time::Duration;

/// Steps of loading a model, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadStep {
    /// Reading which version to serve.
    #[default]
    Channel,
    /// Downloading and verifying its files.
    Files,
    /// Creating the ONNX Runtime session.
    Weights,
}

/// The current step of a load, and the time since the load began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The current step.
    pub step: LoadStep,
    /// Since the load began.
    pub elapsed: Duration,
}
