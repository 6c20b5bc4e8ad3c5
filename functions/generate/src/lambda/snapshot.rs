//! SnapStart: process snapshots with the loaded model, and the renewal of restored copies.

use std::sync::Arc;
use std::time::Duration;

use lambda_http::Error;
use lambda_runtime::{BoxFuture, SnapStartResource};
use store::awake;

use crate::domain::Models;

/// How long a restored copy may look at the channel, and load what it names, before it takes requests. Lambda allows ten
/// seconds for a restoration.
const PATIENCE: Duration = Duration::from_secs(5);

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
    /// the channel again before the first request: a snapshot may be weeks old, and its model with it. If that takes
    /// too long, the model of the snapshot answers meanwhile.
    fn after_restore(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.0.forget_connections();
            self.0.check();
            // Time awake: the clock may be set forward meanwhile, by all the time since the snapshot.
            let _ = awake::timeout(PATIENCE, self.0.settle(Duration::MAX)).await;
            Ok(())
        })
    }
}
