//! Scheduler of texts (continuous batching): one thread owns the model, and runs passes in which all texts take part.
//!
//! A pass has the last id of each text with a draft of its next ones, and at most one chunk of a prompt, so that a
//! long prompt holds others up for no more than that; it has some chunks if there is nobody to hold up. Texts come and
//! go between passes. Since a position gives the same bits alone and among others, no text depends on who else is
//! there (Yu et al., "Orca", OSDI 2022, without that promise).
//!
//! - [`job`] is what callers hand over, [`waiting`] the queue that it stands in;
//! - [`sequence`] is a text that has a slot; [`prefill`] and [`decode`] are what it does in a pass;
//! - [`worker`] is the loop of the thread: who comes in, what a pass has, who has ended;
//! - [`occupancy`] is what others may know of it.

mod decode;
pub(crate) mod job;
pub(crate) mod occupancy;
mod pass;
mod prefill;
mod sequence;
mod waiting;
pub(crate) mod worker;

pub use sequence::PREFILL_CHUNK;
