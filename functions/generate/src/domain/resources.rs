//! Processor and memory limits for a model.

use std::num::NonZero;

use engine::engine::DEFAULT_SLOTS;
use engine::{Engine, Limits};

/// Limits on threads and memory for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Threads that run the model.
    pub threads: usize,
    /// Memory limit of the process in MB, if it has one.
    pub memory_mb: Option<u64>,
    /// Texts that run at the same time.
    pub slots: usize,
    /// Memory for keys and values of texts that run, in MB; by default that of a whole context for each slot.
    pub kv_cache_mb: Option<u64>,
    /// Memory for keys and values of earlier prompts, in MB; by default that of
    /// [`DEFAULT_PREFIX_CONTEXTS`](engine::engine::DEFAULT_PREFIX_CONTEXTS) whole contexts, or of more if they are small.
    pub prefix_cache_mb: Option<u64>,
}

impl Resources {
    /// All cores, and no memory limit.
    pub fn of_machine() -> Self {
        Self {
            threads: cores(),
            memory_mb: None,
            slots: DEFAULT_SLOTS,
            kv_cache_mb: None,
            prefix_cache_mb: None,
        }
    }

    /// An engine with these slots and this memory. Says in the log what it may take.
    pub fn configure(&self, engine: Engine) -> Engine {
        let bytes = |mb: u64| usize::try_from(mb.saturating_mul(1_000_000)).unwrap_or(usize::MAX);
        let mut engine = engine.with_slots(self.slots);
        if let Some(mb) = self.kv_cache_mb {
            engine = engine.with_kv_cache(bytes(mb));
        }
        if let Some(mb) = self.prefix_cache_mb {
            engine = engine.with_prefix_cache(bytes(mb));
        }
        let Limits { slots, kv_bytes, prefix_bytes } = engine.limits();
        let context_bytes = engine.context_bytes();
        if self.kv_cache_mb.is_some_and(|mb| bytes(mb) < context_bytes) {
            tracing::warn!(
                kv_cache_mb = self.kv_cache_mb,
                context_mb = megabytes(context_bytes),
                "the KV cache is too small for a single text: it has room for one"
            );
        }
        tracing::info!(
            slots,
            threads = self.threads,
            kv_cache_mb = megabytes(kv_bytes),
            prefix_cache_mb = megabytes(prefix_bytes),
            context_mb = megabytes(context_bytes),
            "at most so many texts at a time, and so much memory beside the weights"
        );
        engine
    }

    /// Logs an error if the memory limit is too low for weights of `file_bytes`: a process that is killed for
    /// lack of memory cannot log anything.
    ///
    /// The file is memory-mapped, and the session has a copy of the weights in the kernels' layout.
    pub fn warn_if_too_small(&self, file_bytes: u64) {
        const REST_MB: u64 = 60;
        let needed_mb = 2 * file_bytes / 1_000_000 + REST_MB;
        if let Some(limit_mb) = self.memory_mb
            && limit_mb < needed_mb
        {
            tracing::error!(
                limit_mb,
                needed_mb,
                "the function's memory is too small for the model: raise its limit"
            );
        }
    }
}

/// Bytes in MB, rounded to a tenth.
fn megabytes(bytes: usize) -> f64 {
    (bytes as f64 / 1e5).round() / 10.0
}

/// Number of processors that the process can use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
