//! Tests of models through the libraries: parity with PyTorch, Hugging Face and ONNX Runtime, exactness of the engine.
//!
//! One binary, so that its modules are linked once. To add a file of tests, put it into this folder and its name below.
//! Tests run beside each other in one process: one that changes what belongs to the process, such as its random state,
//! its environment or its allocator, is a file of its own in the folder above instead.

#![allow(clippy::unwrap_used)] // In a test, the panic is the report.

mod engine;
mod finetune;
mod import;
mod kernels;
mod onnx_parity;
mod pytorch_parity;
mod scheduler;
mod threads;
