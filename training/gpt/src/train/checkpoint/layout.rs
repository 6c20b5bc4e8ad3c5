//! Names of the folders and files of checkpoints.
//!
//! ```text
//! <checkpoints>/<model>/<run>/
//!     checkpoint-00000040/
//!         model.burnpack  optimizer.burnpack  best.burnpack (if the best weights are kept)
//!         metrics.jsonl   samples.txt         the records of the run so far
//!         state.json                          position, identity, and a hash of every other file
//!     publication.json                        the version that the run has become
//!     .lock                                   held by the process that trains the run
//! ```
//!
//! `<run>` is a digest of the run's [identity](crate::train::identity), so no run is in the way of another.
//! `<model>` is for people: a run is found under another name too.

use std::path::Path;

use artifact::Sha256Hex;

/// Written last: a checkpoint that has it is complete.
pub(super) const STATE: &str = "state.json";
pub(super) const MODEL: &str = "model.burnpack";
pub(super) const OPTIMIZER: &str = "optimizer.burnpack";
pub(super) const BEST: &str = "best.burnpack";
pub(super) const PUBLICATION: &str = "publication.json";
pub(super) const LOCK: &str = ".lock";
/// Beginning of a checkpoint's name, before its step.
pub(super) const PREFIX: &str = "checkpoint-";
/// How many are kept: should the newest turn out to be damaged, the other is at hand.
pub(super) const KEPT: usize = 2;

/// Name of the checkpoint after a step. Leading zeros make names sort as numbers.
pub(super) fn checkpoint_name(step: usize) -> String {
    format!("{PREFIX}{step:08}")
}

/// Name of a run's folder: the beginning of a digest of its identity.
pub(super) fn run_name(run: &serde_json::Value) -> String {
    Sha256Hex::of_bytes(run.to_string().as_bytes()).as_str()[..16].to_owned()
}

/// The last part of a path.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
