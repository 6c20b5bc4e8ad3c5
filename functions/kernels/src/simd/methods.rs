//! Trait methods from functions that are compiled with target features.

/// Defines methods of a [`Simd`](super::lanes::Simd) type whose values exist only if `detect` found `$features`.
///
/// Each body becomes a function with these target features, in which the intrinsics that touch no memory are safe.
/// The method calls it, and both are inlined into [`Simd::vectorize`](super::lanes::Simd::vectorize).
macro_rules! methods {
    ($features:literal $(
        $(#[$attribute:meta])*
        fn $name:ident $(<const $parameter:ident: $kind:ty>)? ($($argument:ident: $type:ty),* $(,)?) -> $result:ty $body:block
    )*) => {$(
        $(#[$attribute])*
        #[inline(always)]
        fn $name $(<const $parameter: $kind>)? (self, $($argument: $type),*) -> $result {
            #[inline]
            #[target_feature(enable = $features)]
            fn with_features $(<const $parameter: $kind>)? ($($argument: $type),*) -> $result $body
            // SAFETY: `self` was made by `detect`, which has found all of these target features.
            unsafe { with_features $(::<$parameter>)? ($($argument),*) }
        }
    )*};
}
pub(super) use methods;
