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
        "checkpoint {path} was made with other settings or another corpus: {difference}; \
         use the same again, or start anew without --resume"
    )]
    OtherRun {
        /// The folder.
        path: PathBuf,
        /// The first setting that differs.
        difference: String,
    },
    /// The mirror could not be read, so it is not known how far the run has come.
    #[error(transparent)]
    Mirror(#[from] StoreError),
}
