//! Back-off of failed loads: exponential for errors that may pass, and no second try for others.

use std::time::{Duration, Instant};

/// The first pause while there is no model to serve.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause while there is one, in intervals of checking.
const MOST_INTERVALS: u32 = 16;

/// A version that could not be loaded, and when it is tried again.
pub struct BackOff<V> {
    version: V,
    failures: u32,
    /// `None` for never.
    retry_at: Option<Instant>,
}

impl<V: PartialEq> BackOff<V> {
    /// After another failure of `version`, which may pass or not. With a model to serve the pauses are longer: loading
    /// beside it costs its requests time, and nobody waits for it.
    pub fn after(
        before: Option<Self>,
        version: V,
        may_pass: bool,
        serving: bool,
        interval: Duration,
    ) -> Self {
        let failures = match before {
            Some(before) if before.version == version => before.failures.saturating_add(1),
            _ => 1,
        };
        let retry_at = may_pass.then(|| Instant::now() + pause(failures, serving, interval));
        Self { version, failures, retry_at }
    }

    /// Whether `version` may be tried now.
    pub fn allows(&self, version: &V) -> bool {
        self.version != *version || self.retry_at.is_some_and(|at| at <= Instant::now())
    }
}

/// The pause after so many failures: doubled with each, up to the interval of checking, or sixteen of them.
pub fn pause(failures: u32, serving: bool, interval: Duration) -> Duration {
    let (first, longest) = match serving {
        true => (interval, interval.saturating_mul(MOST_INTERVALS)),
        false => (FIRST_PAUSE.min(interval), interval),
    };
    first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    #[test]
    fn pauses_double_up_to_a_limit() {
        let seconds =
            |serving| [1, 2, 3, 5, 6, 40].map(|failures| pause(failures, serving, INTERVAL).as_secs());
        assert_eq!(seconds(true), [30, 60, 120, 480, 480, 480]);
        assert_eq!(seconds(false), [1, 2, 4, 16, 30, 30]);
        assert_eq!(pause(1, false, Duration::from_millis(200)), Duration::from_millis(200));
    }

    #[test]
    fn a_version_that_cannot_load_is_not_tried_again_and_another_is() {
        let refused = BackOff::after(None, "v1", false, true, Duration::ZERO);
        assert!(!refused.allows(&"v1") && refused.allows(&"v2"));
        let failed = BackOff::after(None, "v1", true, true, INTERVAL);
        assert!(!failed.allows(&"v1"));
        assert!(BackOff::after(None, "v1", true, true, Duration::ZERO).allows(&"v1"));
        let again = BackOff::after(Some(failed), "v1", true, true, INTERVAL);
        assert_eq!(again.failures, 2);
        assert_eq!(BackOff::after(Some(again), "v2", true, true, INTERVAL).failures, 1);
    }
}
