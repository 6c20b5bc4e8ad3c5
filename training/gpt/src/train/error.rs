//! Errors that end a training run early.

use std::path::PathBuf;

use store::PathError;

use super::checkpoint::CheckpointError;

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
    /// Metrics or samples could not be written.
    #[error("recording the progress of training: {0}")]
    Record(#[from] PathError),
    /// A checkpoint could not be written, or belongs to another run.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A signal asked it to stop.
    #[error("stopped after step {step}; {checkpoint} holds it, run the same command with --resume to go on")]
    Stopped {
        /// The last step.
        step: usize,
        /// The checkpoint to go on from.
        checkpoint: PathBuf,
    },
}
