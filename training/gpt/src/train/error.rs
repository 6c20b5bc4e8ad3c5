//! Errors that end a training run early.

use std::path::PathBuf;

use store::PathError;

use super::checkpoint::CheckpointError;
use super::workers::WorkerError;

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
    /// The loss is a number, and its gradients are none.
    #[error(
        "the gradients of {skipped} steps in a row, up to step {step}, are no finite numbers, so none of these steps \
         could be made: training has diverged; lower `learning_rate` ({learning_rate}), or set training.precision=float32"
    )]
    NoGradients {
        /// The last of these steps.
        step: usize,
        /// Their number.
        skipped: usize,
        /// The setting that is most often at fault.
        learning_rate: f64,
    },
    /// A batch is too large for the device.
    #[error(
        "the memory is not enough for a batch of {batch_size} windows of {context_length} tokens{}",
        fitting(.fits, .tokens_per_step)
    )]
    Memory {
        /// `training.batch_size`
        batch_size: usize,
        /// `model.context_length`
        context_length: usize,
        /// The largest of its half, its quarter and so on that it is enough for; 0 if there is none.
        fits: usize,
        /// Tokens of a step, which smaller batches make up too.
        tokens_per_step: usize,
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
    /// A worker cannot be used.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A signal asked it to stop.
    #[error("stopped after step {step}; {checkpoint} holds it, run the same command with --resume to go on")]
    Stopped {
        /// The last step.
        step: usize,
        /// The checkpoint to go on from.
        checkpoint: PathBuf,
    },
}

fn fitting(fits: &usize, tokens_per_step: &usize) -> String {
    match fits {
        0 => ", and not for those of one: a smaller model or a shorter model.context_length is needed"
            .to_owned(),
        fits => format!(
            "; it is for {fits}: the same steps in smaller parts are made with --set training.batch_size={fits} --set \
             training.tokens_per_step={tokens_per_step}"
        ),
    }
}
