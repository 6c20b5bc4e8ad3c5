//! What the tests of the whole system share.

pub mod process;
pub mod reference;
pub mod trained;
