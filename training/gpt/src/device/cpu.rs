//! The CPU through libtorch, with one thread for each core.

use std::num::NonZero;
use std::sync::Once;

use burn::tensor::Device;

/// The CPU through libtorch, from which models and tensors take their backend.
pub fn cpu() -> Device {
    static THREADS: Once = Once::new();
    // Both of libtorch's thread pools are sized once, before the first operation starts them.
    THREADS.call_once(|| {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get) as i32;
        tch::set_num_threads(threads);
        tch::set_num_interop_threads(1);
    });
    Device::libtorch()
}

/// Whether the processor multiplies bf16 faster than float32.
pub fn multiplies_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("bf16");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}
