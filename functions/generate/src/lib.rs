//! HTTP API over the engine: one router, on localhost and in AWS Lambda.
//!
//! - [`domain`]: loading and swapping the model, the request queue, the pipeline from a prompt to its
//!   continuation;
//! - [`http`]: wire types, routes, errors, middleware, and the server on localhost;
//! - [`lambda`]: the same router in AWS Lambda;
//! - [`logging`]: log and traces.
//!
//! Dependencies point one way: `lambda` → `http` → `domain` → `engine`.

pub mod domain;
pub mod http;
pub mod lambda;
pub mod logging;
