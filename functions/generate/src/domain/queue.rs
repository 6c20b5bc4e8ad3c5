//! Bounded request queue: a number of requests generate, some more wait, and others are refused at once.
//!
//! An unbounded queue under load answers every request too late.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::GenerateError;
use super::telemetry;

/// The queue of requests for the model.
pub struct Queue {
    running: Arc<Semaphore>,
    present: Arc<Semaphore>,
}

/// A place in the queue, which is free again when this is dropped.
pub struct Place {
    running: Arc<Semaphore>,
    present: Present,
}

/// A request in the queue, counted as long as it is there.
struct Present {
    _permit: OwnedSemaphorePermit,
}

impl Present {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        telemetry::queue_changed(1.0);
        Self { _permit: permit }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        telemetry::queue_changed(-1.0);
    }
}

/// The right to run the model, until this is dropped.
pub struct Turn {
    _running: OwnedSemaphorePermit,
    _present: Present,
}

impl Queue {
    /// A queue in which `max_concurrent` requests run and `max_waiting` more wait.
    pub fn new(max_concurrent: usize, max_waiting: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(max_concurrent)),
            present: Arc::new(Semaphore::new(max_concurrent + max_waiting)),
        }
    }

    /// Takes a place, without waiting.
    ///
    /// # Errors
    /// [`GenerateError::Overloaded`] if the queue is full.
    pub fn enter(&self) -> Result<Place, GenerateError> {
        let present = Arc::clone(&self.present).try_acquire_owned();
        let present = present.map_err(|_| GenerateError::Overloaded)?;
        Ok(Place { running: Arc::clone(&self.running), present: Present::new(present) })
    }
}

impl Place {
    /// Waits until fewer than `max_concurrent` requests run.
    ///
    /// # Errors
    /// [`GenerateError::Overloaded`] if that takes until the deadline.
    pub async fn turn(self, deadline: Instant) -> Result<Turn, GenerateError> {
        match tokio::time::timeout_at(deadline.into(), self.running.acquire_owned()).await {
            Ok(Ok(running)) => Ok(Turn { _running: running, _present: self.present }),
            // Too late; or the semaphore is closed, which nothing does.
            Ok(Err(_)) | Err(_) => Err(GenerateError::Overloaded),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn turn(queue: &Queue) -> Result<Turn, GenerateError> {
        queue.enter()?.turn(Instant::now() + Duration::from_millis(20)).await
    }

    #[tokio::test]
    async fn one_runs_one_waits_and_the_third_is_turned_away() {
        let queue = Queue::new(1, 1);
        let first = turn(&queue).await.unwrap();
        let (second, third) = tokio::join!(turn(&queue), turn(&queue));
        assert_eq!(third.err(), Some(GenerateError::Overloaded));
        assert_eq!(second.err(), Some(GenerateError::Overloaded)); // its turn did not come in time
        drop(first);
        assert!(turn(&queue).await.is_ok());
    }

    /// Whatever a request waits for after it has entered, such as a model that is being loaded.
    #[tokio::test]
    async fn a_place_counts_before_its_turn() {
        let queue = Queue::new(1, 0);
        let place = queue.enter().unwrap();
        assert_eq!(queue.enter().err(), Some(GenerateError::Overloaded));
        drop(place);
        assert!(queue.enter().is_ok());
    }
}
