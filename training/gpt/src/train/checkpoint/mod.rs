//! Checkpoints: everything that a run needs to go on, bit for bit, after it was killed.
//!
//! - [`layout`]: names of folders and files;
//! - `contents`: the state of a run as files;
//! - [`folder`]: the checkpoints of a run on this machine;
//! - [`mirror`]: their copies in a store, from which another machine can go on.

mod contents;
mod difference;
mod error;
pub mod folder;
pub mod layout;
pub mod mirror;

pub use error::CheckpointError;
pub use folder::Checkpoints;
pub use mirror::Mirror;
