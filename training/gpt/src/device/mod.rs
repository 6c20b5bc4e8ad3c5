//! The compute device: the only folder that names a burn backend.
//!
//! - this file: the device, from which models and tensors take their backend;
//! - [`fused`][]: functions that libtorch has as one operation, with their derivatives;
//! - [`in_place`][]: arithmetic on large tensors in one pass over memory;
//! - [`linear_algebra`][]: factors of matrices.
//!
//! Moving to another backend means changing this folder and one feature in `Cargo.toml`.

// LibTorch is still by far the fastest CPU backend that burn has; it left burn after 0.22, which is
// why that version is pinned and why its deprecation is accepted here.
#![allow(deprecated)]

use std::num::NonZero;
use std::sync::Once;

pub use burn::tensor::Device;

pub mod fused;
pub mod in_place;
pub mod linear_algebra;

/// The CPU through libtorch, with one thread for each core.
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

/// How a manifest records [`cpu`].
pub fn describe() -> String {
    format!("cpu, libtorch 2.9.0, {} threads", tch::get_num_threads())
}
