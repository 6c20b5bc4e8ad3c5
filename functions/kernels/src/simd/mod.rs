//! SIMD registers of 16 numbers, one abstraction over AVX2 and AVX-512.
//!
//! - `lanes` is the trait that kernels are written for, `line` the memory that fills a register; `avx2` (on the
//!   functions of `halves`) and `avx512` implement the trait, with the macro of `methods`;
//! - `f16` is what a cache keeps;
//! - `amx` multiplies whole tiles of bytes, `bf16` of numbers;
//! - `prefetch` asks for memory ahead of its use.

mod amx;
mod avx2;
mod avx512;
mod bf16;
mod f16;
mod halves;
mod lanes;
mod line;
mod methods;
mod prefetch;

pub(crate) use amx::{Amx, Planes, Sums, TILE_LINES, TILE_ROWS, TILE_WORDS};
pub(crate) use avx2::Avx2;
pub(crate) use avx512::Avx512;
pub(crate) use bf16::{Bf16, Bf16Tiles, Block, Products, SIDE};
pub use f16::F16;
pub(crate) use f16::MAX_F16;
pub(crate) use lanes::Simd;
pub(crate) use line::{LANES, Line, MAX_LINES};
pub(crate) use prefetch::{prefetch, prefetch_soon};
