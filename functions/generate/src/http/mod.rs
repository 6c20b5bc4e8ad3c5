//! HTTP API: one axum router, the same on localhost and behind any platform.
//!
//! - [`app`]: the router, with its [`state`], [`settings`] and [`limits`];
//! - [`routes`]: one file for each route, with the [`wire`] types that it takes and gives;
//! - [`respond`]: continuations as a JSON body or as a stream ([`sse`]);
//! - [`json`] and [`strict`]: bodies, [`ignored`]: fields of them that nobody knows, [`dropped`]: messages
//!   that the context has no room for; [`error`]: every error and its
//!   status;
//! - [`auth`], [`headers`], [`paths`], [`observe`]: middleware; [`context`]: request extensions of the platform;
//! - [`security`]: keys in the schema, [`prometheus`]: metrics as text;
//! - [`server`]: the server on localhost, where it [`listen`]s, and its [`connection`]s, with an [`exchange`] on each;
//!   [`site`]: the page beside the API.

pub mod app;
pub mod auth;
pub mod connection;
pub mod context;
pub mod dropped;
pub mod error;
pub mod exchange;
pub mod headers;
pub mod ignored;
pub mod json;
pub mod limits;
pub mod listen;
pub mod observe;
pub mod paths;
pub mod prometheus;
pub mod respond;
pub mod routes;
pub mod security;
pub mod server;
pub mod settings;
pub mod site;
pub mod sse;
pub mod state;
pub mod strict;
pub mod wire;

pub use app::app;
pub use settings::Settings;
