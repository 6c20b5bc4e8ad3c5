//! Automatic preset: the model and the training that a budget of time buys on a text.
//!
//! - [`budget`]: how long a training may take;
//! - [`shape`]: the shapes to choose from, smallest first;
//! - [`law`]: the loss to expect of a shape, by a scaling law fitted to experiments;
//! - [`pace`]: how fast this machine trains a shape, measured;
//! - [`rules`]: what else follows from the size of a model, of the text and of the budget;
//! - [`plan`]: the choice, as a preset and in words;
//! - [`saved`]: the choice kept beside the checkpoints, so that an interrupted run goes on with it.

pub mod budget;
pub mod law;
pub mod pace;
pub mod plan;
pub mod rules;
pub mod saved;
pub mod shape;

pub use budget::Budget;
pub use plan::{Expectation, Plan, Planner};
pub use saved::SavedPlan;
