//! Checkpoints: everything that a run needs to go on, bit for bit, after it was killed.
//!
//! - [`layout`]: names of folders and files;
//! - `contents`: the state of a run as files;
//! - [`folder`]: the checkpoints of a run on this machine;
//! - [`mirror`]: their copies in a store, from which another machine can go on;
//! - `lock`: one process for each run;
//! - [`left`]: what earlier processes have left of a run or of others;
//! - [`publication`]: the version that a run has become.

mod contents;
mod difference;
mod error;
pub mod folder;
pub mod layout;
pub mod left;
mod lock;
pub mod mirror;
pub mod publication;

pub use error::CheckpointError;
pub use folder::Checkpoints;
pub use left::Left;
pub use lock::RunLock;
pub use mirror::Mirror;
pub use publication::Publication;
