//! SIMD registers of 16 numbers, one abstraction over AVX2 and AVX-512.
//!
//! - `lanes` is the trait that kernels are written for, `avx2` and `avx512` implement it, with the macro of `methods`;
//! - `amx` multiplies whole tiles of bytes;
//! - `prefetch` asks for memory ahead of its use.

mod amx;
mod avx2;
mod avx512;
mod lanes;
mod methods;
#[cfg(test)]
mod on_each;
mod prefetch;

pub(crate) use amx::{Amx, Planes, Sums, TILE_LINES, TILE_ROWS, TILE_WORDS};
pub(crate) use avx2::Avx2;
pub(crate) use avx512::Avx512;
pub(crate) use lanes::{LANES, Line, MAX_LINES, Simd};
#[cfg(test)]
pub(crate) use on_each::on_each;
pub(crate) use prefetch::{prefetch, prefetch_soon};
