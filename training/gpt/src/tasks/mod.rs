//! Tasks with known answers: how well a model does what it is for, where its loss says how well it predicts texts.
//!
//! - [`task`]: a question and its right answer; [`reading`]: a file of them;
//! - [`question`]: a task as token ids, by the chat template of a model that answers;
//! - [`scoring`]: what a model answers and how likely the answers are, many tasks at once in the engine, which the [`sinks`]
//!   tell;
//! - [`normalize`]: when two answers are the same;
//! - [`outcome`]: what became of each task, and the figures of all; [`report`]: these as a table and as JSON.

pub mod error;
pub mod normalize;
pub mod outcome;
pub mod question;
pub mod reading;
pub mod report;
pub mod scoring;
pub mod sinks;
pub mod task;

pub use error::TasksError;
pub use outcome::{Figures, Outcome};
pub use reading::read;
pub use report::TaskReport;
pub use scoring::score;
pub use task::{Expected, Prompt, Task};
