//! Attempts to load a model: their number, and waiting for the end of one.

use std::time::Duration;

use tokio::sync::watch;

/// Number of attempts that have ended.
#[derive(Default)]
pub struct Attempts(watch::Sender<u64>);

impl Attempts {
    /// Whether none has ended.
    pub fn is_first(&self) -> bool {
        *self.0.borrow() == 0
    }

    /// Wakes those who wait for an end.
    pub fn end(&self) {
        self.0.send_modify(|attempts| *attempts += 1);
    }

    /// Waits until one has ended, if none has.
    pub async fn first(&self) {
        // The channel cannot close: the sender is a field of `self`.
        let _ = self.0.subscribe().wait_for(|&attempts| attempts > 0).await;
    }

    /// Waits for the next end if one `is_running`, for at most `limit` by the clock.
    pub async fn settle(&self, limit: Duration, is_running: impl FnOnce() -> bool) {
        let mut ends = self.0.subscribe();
        if is_running() {
            let _ = tokio::time::timeout(limit, ends.changed()).await;
        }
    }

    /// What `look` finds, now or after one of the next ends.
    pub async fn find<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let mut ends = self.0.subscribe();
        loop {
            // Before the look: an attempt that ends during it is then still to be noticed.
            ends.borrow_and_update();
            if let Some(found) = look() {
                return found;
            }
            let _ = ends.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The load ends when the request has looked and before it waits.
    #[tokio::test]
    async fn an_end_between_looking_and_waiting_is_noticed() {
        let (attempts, looks) = (Attempts::default(), Cell::new(0));
        let found = attempts.find(|| {
            looks.set(looks.get() + 1);
            let found = (!attempts.is_first()).then_some("model");
            if found.is_none() {
                attempts.end();
            }
            found
        });
        let found = tokio::time::timeout(Duration::from_secs(10), found).await;
        assert_eq!((found, looks.get()), (Ok("model"), 2));
    }
}
