//! AWS Lambda: events of API Gateway (REST and HTTP APIs) and of function URLs, buffered or streamed.
//!
//! - [`runtime`]: the loop over events, [`context`]: the one layer between Lambda and the router;
//! - [`snapshot`]: SnapStart, [`environment`]: environment variables of the function.
//!
//! No other module of this crate knows of Lambda.

pub mod context;
pub mod environment;
pub mod runtime;
pub mod snapshot;

pub use runtime::{ResponseMode, serve};
