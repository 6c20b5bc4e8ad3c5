//! AVX-512 with its instructions for products of integers (VNNI).

use std::arch::x86_64::{
    __m256i, __m512, __m512i, _CMP_GE_OQ, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _mm_setr_epi8,
    _mm_shuffle_epi8, _mm_storeu_si128, _mm256_broadcastsi128_si256, _mm256_shuffle_epi8,
    _mm256_storeu_si256, _mm512_abs_ps, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castpd_ps,
    _mm512_castps_pd, _mm512_castps_si512, _mm512_cmp_ps_mask, _mm512_cvtepi32_ps, _mm512_cvtps_epi32,
    _mm512_cvtsepi32_epi8, _mm512_cvtsepi32_epi16, _mm512_div_ps, _mm512_dpbusd_epi32, _mm512_dpwssd_epi32,
    _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_load_ps, _mm512_load_si512, _mm512_mask_blend_ps,
    _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_max_epu32, _mm512_max_ps, _mm512_min_ps,
    _mm512_mul_ps, _mm512_reduce_add_epi32, _mm512_reduce_add_ps, _mm512_reduce_max_epu32,
    _mm512_reduce_max_ps, _mm512_roundscale_ps, _mm512_scalef_ps, _mm512_set1_epi8, _mm512_set1_epi16,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_shuffle_f32x4, _mm512_srli_epi16, _mm512_sub_ps,
    _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

use super::avx2::dot;
use super::{Amx, LANES, Line, Simd};

/// The proof that this processor has AVX-512 F, BW, VL and VNNI.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Avx512 {
    amx: Option<Amx>,
}

/// A mask of the first `count` lanes.
#[inline(always)]
fn first(count: usize) -> u16 {
    if count < LANES { (1 << count) - 1 } else { u16::MAX }
}

// SAFETY of all that follows: the value itself proves that the instructions are there, and lines have 64 aligned bytes.
impl Simd for Avx512 {
    type Floats = __m512;
    type Integers = __m512i;

    const LINES: usize = 2;
    const ROWS: usize = 6;
    const WORDS: usize = usize::MAX;
    const WAITS: bool = true;

    fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        has_all.then(|| Self { amx: Amx::detect() })
    }

    fn amx(self) -> Option<Amx> {
        self.amx
    }

    #[inline(always)]
    fn vectorize<R>(self, run: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
        fn vectorized<R>(run: impl FnOnce() -> R) -> R {
            run()
        }
        unsafe { vectorized(run) }
    }

    #[inline(always)]
    unsafe fn load_first(self, start: *const f32, count: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(first(count), start) }
    }

    #[inline(always)]
    unsafe fn store_first(self, start: *mut f32, count: usize, lanes: __m512) {
        unsafe { _mm512_mask_storeu_ps(start, first(count), lanes) }
    }

    #[inline(always)]
    fn load_line(self, line: &Line<f32>) -> __m512 {
        unsafe { _mm512_load_ps(line.0.as_ptr()) }
    }

    #[inline(always)]
    fn load_words(self, line: &Line<u32>) -> __m512i {
        unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
    }

    #[inline(always)]
    fn splat(self, number: f32) -> __m512 {
        unsafe { _mm512_set1_ps(number) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn neg_mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fnmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn scale(self, a: __m512, n: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(a, n) }
    }

    #[inline(always)]
    fn first_of(self, count: usize, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mask_blend_ps(first(count), b, a) }
    }

    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(a) }
    }

    #[inline(always)]
    fn greatest(self, a: __m512) -> f32 {
        unsafe { _mm512_reduce_max_ps(a) }
    }

    #[inline(always)]
    fn at_least(self, a: __m512, least: f32) -> u16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, _mm512_set1_ps(least)) }
    }

    #[inline(always)]
    fn sums_of_quarters(self, [a, b, c, d]: [__m512; 4]) -> __m512 {
        unsafe {
            let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
            let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
            _mm512_add_ps(
                _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)),
            )
        }
    }

    #[inline(always)]
    fn sums_across_quarters(self, [a, b, c, d]: [__m512; 4]) -> __m512 {
        #[inline(always)]
        unsafe fn halves(a: __m512, b: __m512) -> __m512 {
            unsafe {
                _mm512_add_ps(
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b),
                )
            }
        }
        unsafe { halves(halves(a, b), halves(c, d)) }
    }

    #[inline(always)]
    fn magnitudes(self, a: __m512) -> __m512i {
        unsafe { _mm512_castps_si512(_mm512_abs_ps(a)) }
    }

    #[inline(always)]
    fn max_magnitudes(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_max_epu32(a, b) }
    }

    #[inline(always)]
    fn greatest_magnitude(self, a: __m512i) -> u32 {
        unsafe { _mm512_reduce_max_epu32(a) }
    }

    #[inline(always)]
    fn splat_integer(self, number: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(number) }
    }

    #[inline(always)]
    fn add_integers(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(a, b) }
    }

    #[inline(always)]
    fn sum_of_integers(self, a: __m512i) -> i32 {
        unsafe { _mm512_reduce_add_epi32(a) }
    }

    #[inline(always)]
    fn to_integers(self, a: __m512) -> __m512i {
        unsafe { _mm512_cvtps_epi32(a) }
    }

    #[inline(always)]
    fn to_floats(self, a: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(a) }
    }

    #[inline(always)]
    fn bytes(self, activations: __m512i) -> [[i32; 2]; 2] {
        let mut groups = [[0; 2]; 2];
        unsafe {
            let order = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
            let bytes = _mm_shuffle_epi8(_mm512_cvtsepi32_epi8(activations), order);
            _mm_storeu_si128(groups.as_mut_ptr().cast(), bytes);
        }
        groups
    }

    #[inline(always)]
    fn shorts(self, activations: __m512i) -> [[i32; 2]; 4] {
        let mut groups = [[0; 2]; 4];
        unsafe {
            let order = _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15);
            let shorts: __m256i = _mm512_cvtsepi32_epi16(activations);
            let shorts = _mm256_shuffle_epi8(shorts, _mm256_broadcastsi128_si256(order));
            _mm256_storeu_si256(groups.as_mut_ptr().cast(), shorts);
        }
        groups
    }

    #[inline(always)]
    fn unpack<const BITS: usize>(self, words: __m512i) -> [__m512i; 2] {
        unsafe {
            if BITS == 4 {
                let lower_half = _mm512_set1_epi8(15);
                let upper = _mm512_srli_epi16::<4>(words);
                [_mm512_and_si512(words, lower_half), _mm512_and_si512(upper, lower_half)]
            } else {
                [_mm512_and_si512(words, _mm512_set1_epi16(255)), _mm512_srli_epi16::<8>(words)]
            }
        }
    }

    #[inline(always)]
    fn add_products<const BITS: usize>(self, sums: __m512i, weights: __m512i, group: i32) -> __m512i {
        unsafe {
            let group = _mm512_set1_epi32(group);
            if BITS == 4 {
                _mm512_dpbusd_epi32(sums, weights, group)
            } else {
                _mm512_dpwssd_epi32(sums, weights, group)
            }
        }
    }

    #[inline(always)]
    fn totals<const BITS: usize>(self, sums: __m512i) -> __m512i {
        sums
    }

    #[inline(always)]
    fn dot(self, weights: &[u8], activations: &[[i32; 2]]) -> i32 {
        unsafe { dot(weights, activations) } // which AVX-512 has too
    }
}
