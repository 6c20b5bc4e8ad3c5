//! What the tests and benchmarks of the whole system share.

pub mod bench;
pub mod confined;
pub mod measure;
pub mod process;
pub mod reference;
pub mod trained;
pub mod workbench;
