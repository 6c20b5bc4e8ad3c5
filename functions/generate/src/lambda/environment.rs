//! Environment variables that Lambda sets
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>).

use crate::domain::resources::{Resources, cores};

/// Set by Lambda and its emulators: the address of the runtime API.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";
const MEMORY_MB: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
/// How the process was started: `on-demand`, `provisioned-concurrency`, `snap-start` or [`MANAGED`].
const INITIALIZATION_TYPE: &str = "AWS_LAMBDA_INITIALIZATION_TYPE";
const MANAGED: &str = "lambda-managed-instances";

/// Whether Lambda, or an emulator of it, has started this process.
pub fn is_lambda() -> bool {
    std::env::var_os(RUNTIME_API).is_some()
}

/// Name of the function.
pub fn function_name() -> Option<String> {
    std::env::var(FUNCTION_NAME).ok()
}

/// Whether the process runs on a Lambda Managed Instance: with several requests at once, and never frozen
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances.html>).
pub fn is_managed_instance() -> bool {
    std::env::var(INITIALIZATION_TYPE).as_deref() == Ok(MANAGED)
}

/// Processors and memory of the function; those of the machine outside of Lambda.
pub fn resources() -> Resources {
    match std::env::var(MEMORY_MB).ok().and_then(|memory| memory.parse().ok()) {
        // There the setting is the number of processors, and the function sees no others.
        Some(memory_mb) if is_managed_instance() => {
            Resources { memory_mb: Some(memory_mb), ..Resources::of_machine() }
        }
        Some(memory_mb) => Resources {
            threads: threads(cores(), memory_mb),
            memory_mb: Some(memory_mb),
            ..Resources::of_machine()
        },
        None => Resources::of_machine(),
    }
}

/// Number of threads that the function has processors for.
///
/// A function has one processor for each 1,769 MB of memory
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>). It sees more, but gets only a
/// share of their time, in which more threads would wait for each other.
fn threads(cores: usize, memory_mb: u64) -> usize {
    const MB_PER_PROCESSOR: u64 = 1769;
    cores.min((memory_mb / MB_PER_PROCESSOR).max(1) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_as_many_threads_as_it_has_processors() {
        for (cores, memory_mb, expected) in
            [(2, 512, 1), (2, 1769, 1), (2, 3537, 1), (3, 3538, 2), (6, 10_240, 5), (1, 3538, 1)]
        {
            assert_eq!(threads(cores, memory_mb), expected, "{memory_mb} MB");
        }
    }
}
