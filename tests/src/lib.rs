//! Shared parts of the end-to-end tests and benchmarks.

pub mod bench;
pub mod confined;
pub mod folders;
pub mod measure;
pub mod process;
pub mod reference;
pub mod trained;
pub mod workbench;
pub mod yes;
