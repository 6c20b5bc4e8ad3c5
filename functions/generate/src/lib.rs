//! HTTP API over the engine: one router, on localhost and in AWS Lambda.
//!
//! - [`domain`]: loading and swapping the model, the request queue, the pipeline from a prompt to its
//!   continuation;
//! - [`http`]: wire types, routes, errors, middleware, and the server on localhost;
//! - [`lambda`]: the same router in AWS Lambda;
//! - [`cloudwatch`]: metrics for CloudWatch, of a function or of a service;
//! - [`logging`]: log and traces.
//!
//! Dependencies point one way: `lambda` → `cloudwatch` → `http` → `domain` → `engine`.

pub mod cloudwatch;
pub mod domain;
pub mod http;
pub mod lambda;
pub mod logging;
