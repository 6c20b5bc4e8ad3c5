//! SnapStart: process snapshots with the loaded model, and the renewal of restored copies.

use std::sync::Arc;

use lambda_http::Error;
use lambda_runtime::{BoxFuture, SnapStartResource};

use crate::domain::Models;

/// Hooks before a snapshot of the process and after its restoration.
///
/// Seeds and request ids come from the operating system, so copies do not share them.
pub struct Snapshot(pub Arc<Models>);

impl SnapStartResource for Snapshot {
    /// Waits for the model. If it cannot be loaded, the snapshot is taken without it, and copies try again.
    fn before_snapshot(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            if let Err(error) = self.0.first_attempt().await {
                tracing::error!(error = format!("{error:#}"), "the snapshot has no model");
            }
            self.0.forget_connections();
            Ok(())
        })
    }

    /// Opens new connections, since the old ones are dead and their credentials may have expired, and reads
    /// the channel again.
    fn after_restore(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.0.forget_connections();
            self.0.check();
            Ok(())
        })
    }
}
