//! Compute device: libtorch on the CPU or a GPU, and what it computes faster than burn's tensor primitives do.
//!
//! This is the only folder that names libtorch. Functions come in these kinds:
//!
//! - [`fused`]: functions with derivatives, in one pass over memory;
//! - [`layers`]: layers with derivatives, by the kernels of training;
//! - [`bf16`]: layers with derivatives, in bf16;
//! - [`in_place`]: updates of large tensors, in one pass over memory;
//! - [`linear_algebra`]: factors of matrices, in double precision;
//! - [`orthogonal`]: matrices made orthogonal, by the same kernels;
//! - [`reduction`]: sums over large tensors, in one pass over memory.
//!
//! All of them have one contract. The last argument is the function's definition by tensor primitives,
//! which runs on any backend and stands where one reads about it, in the model for example. The function
//! gives the same values and gradients, and is the definition itself for tensors that are not on
//! libtorch. A test beside each definition compares the two.
//!
//! Moving to another backend means changing this folder and one feature in `Cargo.toml`.

// LibTorch is still by far the fastest CPU backend that burn has; it left burn after 0.22, which is
// why that version is pinned and why its deprecation is accepted here.
#![allow(deprecated)]

mod arithmetic;
pub mod bf16;
mod capacity;
mod choice;
mod cpu;
mod derivative;
pub mod fused;
pub mod in_place;
pub mod layers;
pub mod linear_algebra;
mod memory;
pub mod orthogonal;
mod processor;
pub mod reduction;
#[cfg(test)]
pub(crate) mod testing;

pub use burn::tensor::Device;

pub use arithmetic::{Arithmetic, prefers_bf16};
pub use capacity::{OutOfMemory, within_memory};
pub use choice::{DeviceChoice, DeviceError, UnknownDevice, describe, gpu_of, is_gpu};
pub use cpu::{cpu, multiplies_bf16};
pub use processor::{OneThread, keep_libtorch_to_one_thread};
