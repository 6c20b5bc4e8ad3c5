//! AMX for bf16: products of float32 numbers, each of which is the sum of two of bf16.
//!
//! A bf16 has the upper half of a float32's bits. What is left over, rounded in the same way, is a second one; both
//! together have 16 bits of the 24. Three products of such parts instead of four leave out what is smaller still. Henry,
//! Tang and Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype for Higher-Precision Computations"
//! (2019), <https://arxiv.org/abs/1904.06376>.

use std::arch::asm;
use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::amx::{Amx, Tiles};
use super::avx512::transpose;
use super::line::LANES;

/// Rows or columns of a [`Block`], and numbers that lie one after the other in its depth.
pub(crate) const SIDE: usize = 2 * LANES;

/// The bytes of an AMX tile: 16 rows of pairs of bf16.
type Tile = [[u32; LANES]; LANES];

/// A part of a factor, 32 rows or columns of 32 numbers that are multiplied: two tiles of the upper parts, two of the
/// lower.
#[derive(Clone)]
#[repr(C, align(64))]
pub(crate) struct Block([Tile; 4]);

/// Sums of products, `[32, 32]`.
#[repr(C, align(64))]
pub(crate) struct Products(pub(crate) [[f32; SIDE]; SIDE]);

impl Block {
    pub(crate) const ZEROS: Self = Self([[[0; LANES]; LANES]; 4]);
}

impl Products {
    pub(crate) const ZEROS: Self = Self([[0.0; SIDE]; SIDE]);
}

/// The proof that this processor has AMX for bf16, and AVX-512 to make tiles.
#[derive(Clone, Copy)]
pub(crate) struct Bf16(Amx);

impl Bf16 {
    pub(crate) fn detect() -> Option<Self> {
        const AMX_BF16: u32 = 1 << 22;
        let amx = Amx::detect()?; // which asks for AVX-512 F, too
        (__cpuid_count(7, 0).edx & AMX_BF16 == AMX_BF16).then_some(Self(amx))
    }

    /// Calls `run` with the tiles of this thread, as [`Amx::with_tiles`] does.
    pub(crate) fn with_tiles<R>(self, run: impl FnOnce(&Bf16Tiles) -> R) -> R {
        self.0.with_tiles(|_: &Tiles| run(&Bf16Tiles(PhantomData)))
    }

    /// Makes a block of the number that `line(i)` has at its place `j`, for `i` and `j` below 32; lines may be
    /// shorter, what they lack is 0. In pairs are the numbers of neighbouring lines if `across`, else of neighbouring
    /// places. Tiles have a row for each pair if `pairs_are_rows`, else a column.
    pub(crate) fn pack<'a>(
        self,
        block: &mut Block,
        line: impl Fn(usize) -> &'a [f32],
        across: bool,
        pairs_are_rows: bool,
    ) {
        #[target_feature(enable = "avx512f")]
        fn pack<'a>(
            block: &mut Block,
            line: impl Fn(usize) -> &'a [f32],
            across: bool,
            pairs_are_rows: bool,
        ) {
            for half in 0..2 {
                let mut parts = [[_mm512_setzero_si512(); LANES]; 2];
                let [high, low] = &mut parts;
                for (row, (high, low)) in high.iter_mut().zip(low).enumerate() {
                    let [first, second] = if across {
                        [2 * row, 2 * row + 1].map(|i| load(line(i), half * LANES))
                    } else {
                        let line = line(half * LANES + row);
                        even_and_odd([load(line, 0), load(line, LANES)])
                    };
                    [*high, *low] = split(first, second);
                }
                for (part, rows) in parts.into_iter().enumerate() {
                    let rows = if across == pairs_are_rows { rows } else { transpose(rows) };
                    for (to, row) in block.0[2 * part + half].iter_mut().zip(rows) {
                        // SAFETY: a row of a tile has 64 bytes.
                        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), row) };
                    }
                }
            }
        }
        // SAFETY: `self` proves that AVX-512 F is there.
        unsafe { pack(block, line, across, pairs_are_rows) }
    }
}

/// 16 numbers from a place on, or fewer and zeros.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(line: &[f32], from: usize) -> __m512 {
    let numbers = line.get(from..).unwrap_or_default();
    let mask = if numbers.len() < LANES { (1_u16 << numbers.len()) - 1 } else { u16::MAX };
    // SAFETY: no more numbers are read than the slice has.
    unsafe { _mm512_maskz_loadu_ps(mask, numbers.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn even_and_odd([a, b]: [__m512; 2]) -> [__m512; 2] {
    let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    [_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b)]
}

/// Pairs of the upper parts of both, and of the lower parts.
#[inline]
#[target_feature(enable = "avx512f")]
fn split(first: __m512, second: __m512) -> [__m512i; 2] {
    let round = |x: __m512| {
        let bits = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
        _mm512_and_si512(bits, _mm512_set1_epi32(-0x1_0000))
    };
    let rest = |x: __m512, high: __m512i| round(_mm512_sub_ps(x, _mm512_castsi512_ps(high)));
    let pair = |first: __m512i, second: __m512i| _mm512_or_si512(_mm512_srli_epi32::<16>(first), second);
    let high = [round(first), round(second)];
    [pair(high[0], high[1]), pair(rest(first, high[0]), rest(second, high[1]))]
}

/// The proof that this thread has its tiles, and that they can be multiplied as bf16.
pub(crate) struct Bf16Tiles<'a>(PhantomData<&'a Tiles>);

impl Bf16Tiles<'_> {
    /// `products[i][j] = sum over k of left[i][k] * right[k][j]`, of blocks that lie behind each other in depth.
    ///
    /// # Panics
    /// If there are none, or not as many on both sides.
    #[inline(always)]
    pub(crate) fn multiply(&self, left: &[Block], right: &[Block], products: &mut Products) {
        assert!(!left.is_empty() && left.len() == right.len());
        // SAFETY: `self` proves that this thread's tiles are configured and that the instructions are there. Each turn
        // reads a block of either side, 4096 bytes; there are as many of both as turns, as asserted. The sums are
        // written, 32 rows of 128 bytes.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{left} + {row}]",
                "tileloadd tmm6, [{right} + {row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{right} + {row} + 1024]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{left} + {row} + 1024]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm4, [{left} + {row} + 2048]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{left} + {row} + 3072]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm4, [{left} + {row}]",
                "tileloadd tmm6, [{right} + {row} + 2048]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{right} + {row} + 3072]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{left} + {row} + 1024]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {left}, 4096",
                "add {right}, 4096",
                "dec {turns}",
                "jnz 2b",
                "tilestored [{products} + {wide}], tmm0",
                "tilestored [{products} + {wide} + 64], tmm1",
                "tilestored [{products} + {wide} + 2048], tmm2",
                "tilestored [{products} + {wide} + 2112], tmm3",
                left = inout(reg) left.as_ptr() => _,
                right = inout(reg) right.as_ptr() => _,
                turns = inout(reg) left.len() => _,
                products = in(reg) &raw mut *products,
                row = in(reg) size_of::<[u32; LANES]>(),
                wide = in(reg) size_of::<[f32; SIDE]>(),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All four ways to lay out factors, two blocks deep, against sums in 64 bits.
    #[test]
    fn products_have_sixteen_bits() {
        let Some(bf16) = Bf16::detect() else {
            eprintln!("no AMX for bf16 here: not tested");
            return;
        };
        let number = |i: usize, k: usize, seed: f32| ((i * 64 + k) as f32 * seed).sin();
        for (left_across, right_across) in [(false, false), (false, true), (true, false), (true, true)] {
            let pack = |seed: f32, across: bool, pairs_are_rows: bool| -> Vec<Block> {
                let mut blocks = vec![Block::ZEROS; 2];
                for (depth, block) in blocks.iter_mut().enumerate() {
                    let lines: Vec<Vec<f32>> = (0..SIDE)
                        .map(|a| {
                            let at = |b: usize| {
                                let (i, k) = if across { (b, a) } else { (a, b) };
                                number(i, depth * SIDE + k, seed)
                            };
                            (0..SIDE).map(at).collect()
                        })
                        .collect();
                    bf16.pack(block, |i| &lines[i], across, pairs_are_rows);
                }
                blocks
            };
            let (left, right) = (pack(0.7, left_across, false), pack(1.3, right_across, true));
            let mut products = Products::ZEROS;
            bf16.with_tiles(|tiles| tiles.multiply(&left, &right, &mut products));
            for i in 0..SIDE {
                for j in 0..SIDE {
                    let product = |k: usize| f64::from(number(i, k, 0.7)) * f64::from(number(j, k, 1.3));
                    let expected: f64 = (0..2 * SIDE).map(product).sum();
                    let difference = (f64::from(products.0[i][j]) - expected).abs();
                    assert!(difference < 64.0 / f64::from(1 << 17), "{i} {j}: {difference} of {expected}");
                }
            }
        }
    }

    #[test]
    fn short_lines_are_filled_up_with_zeros() {
        let Some(bf16) = Bf16::detect() else { return };
        let (mut left, mut right) = (Block::ZEROS, Block::ZEROS);
        let line = [1.0_f32; 40];
        bf16.pack(&mut left, |i| if i < 3 { &line[..20] } else { &[] }, false, false);
        bf16.pack(&mut right, |_| &line[..], false, true);
        let mut products = Products::ZEROS;
        bf16.with_tiles(|tiles| tiles.multiply(&[left], &[right], &mut products));
        assert_eq!([products.0[2][31], products.0[3][31]], [20.0, 0.0]);
    }
}
