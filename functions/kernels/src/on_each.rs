//! Tests on every instruction set that this processor has.

/// Makes a test of a function that takes any [`Simd`](crate::simd::Simd): for each that this processor has. Its
/// results must be equal for all of them.
macro_rules! on_each {
    ($(#[$attribute:meta])* $check:ident) => {
        mod $check {
            #[test]
            $(#[$attribute])*
            fn on_each_processor() {
                use crate::simd::{Avx2, Avx512, Simd as _};
                let avx2 = Avx2::detect().map(super::$check);
                let avx512 = Avx512::detect().map(super::$check);
                if let (Some(avx2), Some(avx512)) = (avx2, avx512) {
                    assert_eq!(avx2, avx512);
                }
            }
        }
    };
}
pub(crate) use on_each;
