//! The HTTP API over the engine: one router, on localhost and in Lambda.
//!
//! - [`app`]: the router, with [`protection`] around it and the [`settings`] of both;
//! - [`routes`]: what each route does;
//! - [`request`] and [`response`]: what they take and give, with [`json`] bodies and server-sent [`events`];
//! - [`error`]: every error and its status;
//! - [`gate`]: who may generate, and until when;
//! - [`generation`]: a continuation, piece by piece;
//! - [`models`]: which model is served, [`served_model`]: one that is loaded;
//! - [`logging`]: the log, and traces of it; [`telemetry`]: what is measured;
//! - [`server`][] and [`lambda`]: where requests come from; [`site`]: the page beside the API.

pub mod app;
pub mod error;
pub mod events;
pub mod gate;
pub mod generation;
pub mod json;
pub mod lambda;
pub mod logging;
pub mod models;
pub mod protection;
pub mod request;
pub mod response;
pub mod routes;
pub mod served_model;
pub mod server;
pub mod settings;
pub mod site;
pub mod telemetry;

pub use app::app;
pub use models::{Models, Source};
pub use settings::Settings;
