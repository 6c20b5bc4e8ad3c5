//! Training loop, which stops and goes on bit for bit.
//!
//! - [`run`]: the loop, which reads from top to bottom, its `step`, its `batches` and its [`extent`];
//! - [`schedule`], [`gradients`], [`optimizer`], [`mod@adamw`], [`mod@muon`]: learning rate, clipping, and the step;
//!   [`pace`]: how many there are in a given time;
//! - [`evaluation`], [`samples`]: validation loss and sample texts, which [`records`] writes down; [`memorizing`]: what
//!   losses say of a model that learns by heart;
//! - [`state`], [`checkpoint`]: what a run needs to go on, on this machine or another; [`mod@identity`]: which run
//!   that is;
//! - [`workers`]: processes that share the batches of a step;
//! - [`observer`], [`progress`]: progress reports.

pub mod adamw;
mod after_step;
mod batches;
pub mod checkpoint;
pub mod error;
pub mod evaluation;
pub mod extent;
pub mod gradients;
pub mod identity;
pub mod memorizing;
pub mod muon;
pub mod observer;
pub mod optimizer;
pub mod pace;
pub mod progress;
pub mod records;
pub mod run;
pub mod samples;
pub mod schedule;
pub mod state;
mod step;
#[cfg(test)]
mod tests;
pub mod workers;

pub use checkpoint::{CheckpointError, Checkpoints, Mirror, Publication};
pub use error::TrainError;
pub use evaluation::Evaluation;
pub use extent::Extent;
pub use observer::{Observer, Step};
pub use optimizer::{new_model, optimizer};
pub use progress::{LogFormat, Progress};
pub use records::Records;
pub use run::{Run, Trained};
pub use samples::{Moment, SampleWriter};
pub use state::{Position, State, Timed};
pub use workers::{WorkerError, Workers};
