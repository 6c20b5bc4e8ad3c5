//! Report of a training run: the page, its loss curve, and the times of the job's parts.

mod numbers;
pub mod page;
pub mod plot;
pub mod stopwatch;

pub use page::Report;
pub use plot::loss_curve;
pub use stopwatch::Stopwatch;
