//! The HTTP API over the engine: one router, on localhost and in Lambda.
//!
//! - [`app`]: the routes;
//! - [`request`] and [`response`]: what they take and give;
//! - [`json`]: bodies in, with errors that name the field;
//! - [`error`]: every error and its status;
//! - [`served_model`]: the model behind them, loaded from a store;
//! - [`server`][]: where it listens on localhost.

pub mod app;
pub mod error;
pub mod json;
pub mod request;
pub mod response;
pub mod served_model;
pub mod server;

pub use app::app;
pub use served_model::ServedModel;
