//! Who may generate, and until when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use lambda_http::Context;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::AppState;
use crate::error::ApiError;
use crate::settings::Settings;

/// What Lambda needs to send an answer before it ends the function.
const LAMBDA_MARGIN: Duration = Duration::from_millis(500);

/// Lets so many requests generate, lets some more wait, and turns the others away at once: a queue
/// without an end answers nobody in time.
pub struct Gate {
    running: Arc<Semaphore>,
    present: Arc<Semaphore>,
}

/// A turn, which ends when this is dropped.
pub struct Turn {
    _running: OwnedSemaphorePermit,
    _present: OwnedSemaphorePermit,
}

impl Gate {
    /// A gate with the limits of `settings`.
    pub fn new(settings: &Settings) -> Self {
        Self {
            running: Arc::new(Semaphore::new(settings.max_concurrent)),
            present: Arc::new(Semaphore::new(settings.max_concurrent + settings.max_waiting)),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`] if too many wait already, or the turn would come after the deadline.
    pub async fn enter(&self, deadline: Deadline) -> Result<Turn, ApiError> {
        let present = Arc::clone(&self.present).try_acquire_owned().map_err(|_| ApiError::Overloaded)?;
        let running = Arc::clone(&self.running).acquire_owned();
        match tokio::time::timeout_at(deadline.0.into(), running).await {
            Ok(Ok(running)) => Ok(Turn { _running: running, _present: present }),
            // Too late; or the gate is closed, which it never is.
            Ok(Err(_)) | Err(_) => Err(ApiError::Overloaded),
        }
    }
}

/// When a request must be answered: after the time limit of the settings, or shortly before Lambda ends
/// the function.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

impl FromRequestParts<AppState> for Deadline {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let limit = state.settings().time_limit;
        let left = parts.extensions.get::<Context>().and_then(|context| left_in_lambda(context.deadline));
        Ok(Self(Instant::now() + left.map_or(limit, |left| left.min(limit))))
    }
}

/// What is left until `deadline`, in milliseconds since 1970, less the margin. A deadline that has passed
/// when the request comes is none: emulators of Lambda give such.
fn left_in_lambda(deadline: u64) -> Option<Duration> {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Some(Duration::from_millis(deadline).checked_sub(now)?.saturating_sub(LAMBDA_MARGIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Deadline {
        Deadline(Instant::now() + Duration::from_millis(20))
    }

    #[tokio::test]
    async fn one_runs_one_waits_and_the_third_is_turned_away() {
        let gate = Gate::new(&Settings { max_concurrent: 1, max_waiting: 1, ..Settings::default() });
        let first = gate.enter(soon()).await.unwrap();
        let (second, third) = tokio::join!(gate.enter(soon()), gate.enter(soon()));
        assert_eq!(third.err(), Some(ApiError::Overloaded));
        assert_eq!(second.err(), Some(ApiError::Overloaded)); // its turn did not come in time
        drop(first);
        assert!(gate.enter(soon()).await.is_ok());
    }

    #[test]
    fn lambda_gets_its_margin() {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
        let left = left_in_lambda(now + 3000).unwrap();
        assert!(left <= Duration::from_millis(2500) && left > Duration::from_millis(2400), "{left:?}");
        assert_eq!(left_in_lambda(now + 100), Some(Duration::ZERO));
        assert_eq!(left_in_lambda(600), None);
    }
}
