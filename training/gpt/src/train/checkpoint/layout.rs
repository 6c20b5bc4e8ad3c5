//! Names of the folders and files of checkpoints.
//!
//! ```text
//! <folder>/checkpoint-00000040/
//!     model.burnpack  optimizer.burnpack  best.burnpack (if the best weights are kept)
//!     metrics.jsonl   samples.txt         the records of the run so far
//!     state.json                          position, settings, and a hash of every other file
//! ```

use std::path::Path;

/// Written last: a checkpoint that has it is complete.
pub(super) const STATE: &str = "state.json";
pub(super) const MODEL: &str = "model.burnpack";
pub(super) const OPTIMIZER: &str = "optimizer.burnpack";
pub(super) const BEST: &str = "best.burnpack";
/// Beginning of a checkpoint's name, before its step.
pub(super) const PREFIX: &str = "checkpoint-";
/// How many are kept: should the newest turn out to be damaged, the other is at hand.
pub(super) const KEPT: usize = 2;

/// Name of the checkpoint after a step. Leading zeros make names sort as numbers.
pub(super) fn checkpoint_name(step: usize) -> String {
    format!("{PREFIX}{step:08}")
}

/// The last part of a path.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
