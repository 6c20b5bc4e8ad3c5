//! Outline of a corpus: length and hash of every document, on disk, and what follows from them.
//!
//! - [`entries`]: the outline itself, sixteen bytes for each document;
//! - [`survey`]: a first reading of all files, which writes it;
//! - [`repeated`]: documents that are identical to earlier ones;
//! - [`split`]: which documents are for training and which validate.

pub mod entries;
pub mod repeated;
pub mod split;
pub mod survey;

pub use entries::{Entry, Outline};
pub use repeated::{Repeated, mark_repeated};
pub use split::{Placement, SplitRule};
pub use survey::{Contents, survey};
