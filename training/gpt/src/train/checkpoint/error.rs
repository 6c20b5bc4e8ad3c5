//! Errors of writing and reading checkpoints.

use std::path::PathBuf;

use store::{PathError, StoreError};

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file or folder cannot be written or read.
    #[error("checkpoint {0}")]
    Path(#[from] PathError),
    /// A file cannot be converted, or its contents have changed.
    #[error("checkpoint {path}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage.
        reason: String,
    },
    /// It belongs to another run.
    #[error(
        "there is no checkpoint of this run to go on from; {path} was made with other settings or another corpus: \
         {difference}; use the same again, or start anew without --resume, beside it"
    )]
    OtherRun {
        /// The folder.
        path: PathBuf,
        /// The first setting that differs.
        difference: String,
    },
    /// Another process trains the same run.
    #[error(
        "another process is training this run and holds {path}; wait for its end, or give this one another folder \
         with --checkpoints"
    )]
    Locked {
        /// The locked file.
        path: PathBuf,
    },
    /// There are checkpoints of this run, and it was not said what is to become of them.
    #[error(
        "this run has been trained to step {step} of {total} already, as {place} holds it: pass --resume to go on \
         from there, or --restart to remove that and train anew"
    )]
    Unfinished {
        /// Folder or address of the newest checkpoint.
        place: String,
        /// Its step.
        step: usize,
        /// Steps of the run.
        total: usize,
    },
    /// The mirror could not be read, so it is not known how far the run has come.
    #[error(transparent)]
    Mirror(#[from] StoreError),
}
