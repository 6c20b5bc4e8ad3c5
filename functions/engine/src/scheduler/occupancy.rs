//! Occupancy of the model: who runs and who waits, for logs, metrics and tests.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How busy the model is at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Texts that have a slot.
    pub running: usize,
    /// Jobs that wait for one.
    pub waiting: usize,
    /// Memory that is set aside for keys and values of texts.
    pub kv_bytes: usize,
}

/// The occupancy as the model's thread tells it.
#[derive(Default)]
pub(crate) struct Gauge {
    running: AtomicUsize,
    waiting: AtomicUsize,
    kv_bytes: AtomicUsize,
}

impl Gauge {
    pub(crate) fn set(&self, Occupancy { running, waiting, kv_bytes }: Occupancy) {
        self.running.store(running, Ordering::Relaxed);
        self.waiting.store(waiting, Ordering::Relaxed);
        self.kv_bytes.store(kv_bytes, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Occupancy {
        Occupancy {
            running: self.running.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            kv_bytes: self.kv_bytes.load(Ordering::Relaxed),
        }
    }
}
