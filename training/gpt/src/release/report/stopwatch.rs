//! Stopwatch for the parts of a job.

use std::time::{Duration, Instant};

/// Measures the parts of a job, one after the other.
#[derive(Debug)]
pub struct Stopwatch {
    last: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Stopwatch {
    /// Begins with the first part.
    pub fn start() -> Self {
        Self { last: Instant::now(), laps: Vec::new() }
    }

    /// Ends a part, whose time counts under this name, and begins with the next one.
    pub fn lap(&mut self, what: &'static str) {
        self.laps.push((what, self.last.elapsed()));
        self.last = Instant::now();
    }

    /// Begins with the next part; the time since the last one does not count.
    pub fn skip(&mut self) {
        self.last = Instant::now();
    }

    /// The parts so far.
    pub fn laps(&self) -> &[(&'static str, Duration)] {
        &self.laps
    }
}
