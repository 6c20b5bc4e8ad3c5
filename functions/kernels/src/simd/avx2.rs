//! AVX2 with FMA and F16C, which most processors of the last ten years have: two registers of 8 numbers for 16.

use std::arch::x86_64::*;

use super::f16::F16;
use super::halves::{self, Floats, HALF, Halves, Integers, first, quarters, to_shorts};
use super::lanes::Simd;
use super::line::{LANES, Line};
use super::methods::methods;

/// The proof that this processor has AVX2, FMA and F16C.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

// SAFETY: loads and stores are masked to the first `count` lanes; 1 and 2 divide 2, and
// `detect`, which alone makes a value, has found the instructions.
unsafe impl Simd for Avx2 {
    type Floats = Floats;
    type Integers = Integers;

    const LINES: usize = 1;
    const ROWS: usize = 4;
    /// A product of two pairs is 2 * 15 * 127 at most, and a word has two of them: 30,480 of 32,767.
    const WORDS: usize = 4;
    const WAITS: bool = false;

    fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        has_all.then_some(Self(()))
    }

    #[inline(always)]
    fn vectorize<R>(self, run: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "avx2,fma,f16c")]
        fn vectorized<R>(run: impl FnOnce() -> R) -> R {
            run()
        }
        // SAFETY: `self` was made by `detect`, which has found all of these target features.
        unsafe { vectorized(run) }
    }

    #[inline(always)]
    unsafe fn load_first(self, start: *const f32, count: usize) -> Floats {
        // SAFETY: `self` proves that AVX2 is there; 16 numbers are read if there are as many, else masked loads read
        // `count`, for which the caller vouches.
        unsafe {
            if count >= LANES {
                return Halves(_mm256_loadu_ps(start), _mm256_loadu_ps(start.add(HALF)));
            }
            Halves(
                _mm256_maskload_ps(start, first(count)),
                _mm256_maskload_ps(start.wrapping_add(HALF), first(count.saturating_sub(HALF))),
            )
        }
    }

    #[inline(always)]
    unsafe fn store_first(self, start: *mut f32, count: usize, lanes: Floats) {
        // SAFETY: `self` proves that AVX2 is there; 16 numbers are written if there is room for as many, else masked
        // stores write `count`, for which the caller vouches.
        unsafe {
            if count >= LANES {
                _mm256_storeu_ps(start, lanes.0);
                _mm256_storeu_ps(start.add(HALF), lanes.1);
                return;
            }
            _mm256_maskstore_ps(start, first(count), lanes.0);
            _mm256_maskstore_ps(start.wrapping_add(HALF), first(count.saturating_sub(HALF)), lanes.1);
        }
    }

    #[inline(always)]
    unsafe fn load_f16(self, start: *const F16, count: usize) -> Floats {
        let mut filled = [0; LANES];
        let start = if count >= LANES {
            start
        } else {
            // SAFETY: the caller vouches for `count` numbers, and there is room for them.
            unsafe { filled.as_mut_ptr().copy_from_nonoverlapping(start, count) };
            filled.as_ptr()
        };
        // SAFETY: `self` proves that F16C is there; 16 numbers lie at `start`.
        unsafe {
            let half = |part: usize| _mm256_cvtph_ps(_mm_loadu_si128(start.add(part * HALF).cast()));
            Halves(half(0), half(1))
        }
    }

    #[inline(always)]
    unsafe fn store_f16(self, start: *mut F16, count: usize, lanes: Floats) {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT;
        let mut rounded = [0; LANES];
        // SAFETY: `self` proves that F16C is there; there is room for 16 numbers, of which the first `count` go to
        // where the caller vouches for room for them.
        unsafe {
            let to: *mut F16 = rounded.as_mut_ptr();
            _mm_storeu_si128(to.cast(), _mm256_cvtps_ph::<NEAREST>(lanes.0));
            _mm_storeu_si128(to.add(HALF).cast(), _mm256_cvtps_ph::<NEAREST>(lanes.1));
            start.copy_from_nonoverlapping(to, count.min(LANES));
        }
    }

    methods! {
        "avx2,fma,f16c"

        fn load_line(line: &Line<f32>) -> Floats {
            let start = line.0.as_ptr();
            // SAFETY: a line has 16 numbers and is aligned to 64 bytes.
            unsafe { Halves(_mm256_load_ps(start), _mm256_load_ps(start.add(HALF))) }
        }

        fn load_words(line: &Line<u32>) -> Integers {
            let start: *const __m256i = line.0.as_ptr().cast();
            // SAFETY: a line has 16 numbers and is aligned to 64 bytes.
            unsafe { Halves(_mm256_load_si256(start), _mm256_load_si256(start.add(1))) }
        }

        fn splat(number: f32) -> Floats {
            Halves::splat(_mm256_set1_ps(number))
        }

        fn add(a: Floats, b: Floats) -> Floats {
            Halves(_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1))
        }

        fn sub(a: Floats, b: Floats) -> Floats {
            Halves(_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1))
        }

        fn mul(a: Floats, b: Floats) -> Floats {
            Halves(_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1))
        }

        fn div(a: Floats, b: Floats) -> Floats {
            Halves(_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1))
        }

        fn mul_add(a: Floats, b: Floats, c: Floats) -> Floats {
            Halves(_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1))
        }

        fn neg_mul_add(a: Floats, b: Floats, c: Floats) -> Floats {
            Halves(_mm256_fnmadd_ps(a.0, b.0, c.0), _mm256_fnmadd_ps(a.1, b.1, c.1))
        }

        fn min(a: Floats, b: Floats) -> Floats {
            Halves(_mm256_min_ps(a.0, b.0), _mm256_min_ps(a.1, b.1))
        }

        fn max(a: Floats, b: Floats) -> Floats {
            Halves(_mm256_max_ps(a.0, b.0), _mm256_max_ps(a.1, b.1))
        }

        fn round(a: Floats) -> Floats {
            const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
            Halves(_mm256_round_ps::<NEAREST>(a.0), _mm256_round_ps::<NEAREST>(a.1))
        }

        fn scale(a: Floats, n: Floats) -> Floats {
            Halves(halves::scale(a.0, n.0), halves::scale(a.1, n.1))
        }

        fn first_of(count: usize, a: Floats, b: Floats) -> Floats {
            if count >= LANES {
                return a;
            }
            let masks = [count, count.saturating_sub(HALF)].map(|count| _mm256_castsi256_ps(first(count)));
            Halves(_mm256_blendv_ps(b.0, a.0, masks[0]), _mm256_blendv_ps(b.1, a.1, masks[1]))
        }

        fn sum(a: Floats) -> f32 {
            // In the order of AVX-512's own sum.
            let (lower, upper) = quarters(_mm256_add_ps(a.0, a.1));
            let fours = _mm_add_ps(lower, upper);
            let twos = _mm_add_ps(fours, _mm_movehl_ps(fours, fours));
            _mm_cvtss_f32(_mm_add_ss(twos, _mm_shuffle_ps::<0b01>(twos, twos)))
        }

        fn greatest(a: Floats) -> f32 {
            let (lower, upper) = quarters(_mm256_max_ps(a.0, a.1));
            let fours = _mm_max_ps(lower, upper);
            let twos = _mm_max_ps(fours, _mm_movehl_ps(fours, fours));
            _mm_cvtss_f32(_mm_max_ps(twos, _mm_shuffle_ps::<0b01>(twos, twos)))
        }

        fn at_least(a: Floats, least: f32) -> u16 {
            let least = _mm256_set1_ps(least);
            let lower = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(a.0, least));
            let upper = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(a.1, least));
            (lower | upper << HALF) as u16
        }

        fn sums_of_quarters(registers: [Floats; 4]) -> Floats {
            let [a, b, c, d] = registers;
            Halves(halves::sums_of_quarters(a.0, b.0, c.0, d.0), halves::sums_of_quarters(a.1, b.1, c.1, d.1))
        }

        fn sums_across_quarters(registers: [Floats; 4]) -> Floats {
            let [a, b, c, d] = registers;
            Halves(halves::sums_across_quarters(a, b), halves::sums_across_quarters(c, d))
        }

        fn transpose(registers: [Floats; LANES]) -> [Floats; LANES] {
            let mut columns = registers;
            for [row, column] in [[0, 0], [0, HALF], [HALF, 0], [HALF, HALF]] {
                let mut block = [_mm256_setzero_ps(); HALF];
                for (numbers, register) in block.iter_mut().zip(&registers[row..]) {
                    *numbers = if column == 0 { register.0 } else { register.1 };
                }
                for (numbers, register) in halves::transpose(block).into_iter().zip(&mut columns[column..]) {
                    *(if row == 0 { &mut register.0 } else { &mut register.1 }) = numbers;
                }
            }
            columns
        }

        fn magnitudes(a: Floats) -> Integers {
            let mask = _mm256_castsi256_ps(_mm256_set1_epi32(i32::MAX));
            Halves(_mm256_castps_si256(_mm256_and_ps(a.0, mask)), _mm256_castps_si256(_mm256_and_ps(a.1, mask)))
        }

        fn max_magnitudes(a: Integers, b: Integers) -> Integers {
            Halves(_mm256_max_epu32(a.0, b.0), _mm256_max_epu32(a.1, b.1))
        }

        fn greatest_magnitude(a: Integers) -> u32 {
            let eights = _mm256_max_epu32(a.0, a.1);
            let fours = _mm_max_epu32(_mm256_castsi256_si128(eights), _mm256_extracti128_si256::<1>(eights));
            let twos = _mm_max_epu32(fours, _mm_shuffle_epi32::<0b11_10_11_10>(fours));
            _mm_cvtsi128_si32(_mm_max_epu32(twos, _mm_shuffle_epi32::<0b01>(twos))) as u32
        }

        fn splat_integer(number: i32) -> Integers {
            Halves::splat(_mm256_set1_epi32(number))
        }

        fn add_integers(a: Integers, b: Integers) -> Integers {
            Halves(_mm256_add_epi32(a.0, b.0), _mm256_add_epi32(a.1, b.1))
        }

        fn sum_of_integers(a: Integers) -> i32 {
            halves::sum_of_integers(_mm256_add_epi32(a.0, a.1))
        }

        fn to_integers(a: Floats) -> Integers {
            Halves(_mm256_cvtps_epi32(a.0), _mm256_cvtps_epi32(a.1))
        }

        fn to_floats(a: Integers) -> Floats {
            Halves(_mm256_cvtepi32_ps(a.0), _mm256_cvtepi32_ps(a.1))
        }

        fn bytes(activations: Integers) -> [[i32; 2]; 2] {
            let mut groups = [[0; 2]; 2];
            let shorts = to_shorts(activations);
            let bytes =
                _mm_packs_epi16(_mm256_castsi256_si128(shorts), _mm256_extracti128_si256::<1>(shorts));
            let order = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
            let bytes = _mm_shuffle_epi8(bytes, order);
            // SAFETY: the groups have 16 bytes.
            unsafe { _mm_storeu_si128(groups.as_mut_ptr().cast(), bytes) };
            groups
        }

        fn shorts(activations: Integers) -> [[i32; 2]; 4] {
            let mut groups = [[0; 2]; 4];
            let order = _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15);
            let shorts = _mm256_shuffle_epi8(to_shorts(activations), _mm256_broadcastsi128_si256(order));
            // SAFETY: the groups have 32 bytes.
            unsafe { _mm256_storeu_si256(groups.as_mut_ptr().cast(), shorts) };
            groups
        }

        fn unpack<const BITS: usize>(words: Integers) -> [Integers; 2] {
            let Halves(a, b) = words;
            if BITS == 4 {
                let lower_half = _mm256_set1_epi8(15);
                let (upper_a, upper_b) = (_mm256_srli_epi16::<4>(a), _mm256_srli_epi16::<4>(b));
                [
                    Halves(_mm256_and_si256(a, lower_half), _mm256_and_si256(b, lower_half)),
                    Halves(_mm256_and_si256(upper_a, lower_half), _mm256_and_si256(upper_b, lower_half)),
                ]
            } else {
                let even = _mm256_set1_epi16(255);
                [
                    Halves(_mm256_and_si256(a, even), _mm256_and_si256(b, even)),
                    Halves(_mm256_srli_epi16::<8>(a), _mm256_srli_epi16::<8>(b)),
                ]
            }
        }

        fn add_products<const BITS: usize>(
            sums: Integers,
            weights: Integers,
            group: i32,
        ) -> Integers {
            let group = _mm256_set1_epi32(group);
            if BITS == 4 {
                // Sums of pairs, of 16 bits.
                Halves(
                    _mm256_add_epi16(sums.0, _mm256_maddubs_epi16(weights.0, group)),
                    _mm256_add_epi16(sums.1, _mm256_maddubs_epi16(weights.1, group)),
                )
            } else {
                Halves(
                    _mm256_add_epi32(sums.0, _mm256_madd_epi16(weights.0, group)),
                    _mm256_add_epi32(sums.1, _mm256_madd_epi16(weights.1, group)),
                )
            }
        }

        fn totals<const BITS: usize>(sums: Integers) -> Integers {
            if BITS != 4 {
                return sums;
            }
            let ones = _mm256_set1_epi16(1);
            Halves(_mm256_madd_epi16(sums.0, ones), _mm256_madd_epi16(sums.1, ones))
        }

        fn dot(weights: &[u8], activations: &[[i32; 2]]) -> i32 {
            halves::dot(weights, activations)
        }
    }
}
