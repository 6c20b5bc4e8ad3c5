//! Processor and memory limits for a model.

use std::num::NonZero;

/// Limits on threads and memory for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Threads that run the model.
    pub threads: usize,
    /// Memory limit of the process in MB, if it has one.
    pub memory_mb: Option<u64>,
}

impl Resources {
    /// All cores, and no memory limit.
    pub fn of_machine() -> Self {
        Self { threads: cores(), memory_mb: None }
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

/// Number of processors that the process can use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
