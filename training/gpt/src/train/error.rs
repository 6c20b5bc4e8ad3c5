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
    /// The weights to start from are no numbers.
    #[error("the loss before the first step is no number: the weights to start from are damaged")]
    NoLoss,
    /// The checkpoint is beyond the end of the run that was asked for.
    #[error(
        "the checkpoint is of step {step}, and this run has {total} steps; set training.epochs to {epochs} \
         at least, and training.max_steps, where it is set, to {step}, or pass --restart to remove the checkpoint and train anew"
    )]
    TooFar {
        /// Step of the checkpoint.
        step: usize,
        /// Steps of the run.
        total: usize,
        /// Epochs that have the step in them.
        epochs: usize,
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
