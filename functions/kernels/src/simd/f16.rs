//! Half precision (IEEE 754 binary16): the type of its bits, and its largest number.

/// The bits of a number of half precision: 11 of them significant, up to 65,504.
pub type F16 = u16;

/// The largest number of half precision.
pub(crate) const MAX_F16: f32 = 65_504.0;
