//! HTTP API: one axum router, the same on localhost and behind any platform.
//!
//! - [`app`]: the router, with its [`state`], [`settings`] and [`limits`];
//! - [`routes`]: one file for each route, with the [`wire`] types that it takes and gives;
//! - [`respond`]: continuations as a JSON body or as a stream ([`sse`]);
//! - [`json`] and [`strict`]: bodies, [`error`]: every error and its status;
//! - [`auth`], [`headers`], [`observe`]: middleware; [`context`]: request extensions of the platform;
//! - [`server`]: the server on localhost, [`site`]: the page beside the API.

pub mod app;
pub mod auth;
pub mod context;
pub mod error;
pub mod headers;
pub mod json;
pub mod limits;
pub mod observe;
pub mod respond;
pub mod routes;
pub mod server;
pub mod settings;
pub mod site;
pub mod sse;
pub mod state;
pub mod strict;
pub mod wire;

pub use app::app;
pub use settings::Settings;
