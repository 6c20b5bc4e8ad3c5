//! AVX-512 with VNNI: a register holds 16 numbers, and one instruction adds up products of integers.

use std::arch::asm;
use std::arch::x86_64::*;

use super::amx::Amx;
use super::f16::F16;
use super::halves;
use super::lanes::Simd;
use super::line::{LANES, Line};
use super::methods::methods;

/// The proof that this processor has AVX-512 F, BW, VL and VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Avx512 {
    amx: Option<Amx>,
}

/// A mask of the first `count` lanes.
#[inline(always)]
fn first(count: usize) -> u16 {
    if count < LANES { (1 << count) - 1 } else { u16::MAX }
}

/// Sums of the neighbouring quarters of `a`, then of `b`.
#[inline]
#[target_feature(enable = "avx512f")]
fn sums_of_halves(a: __m512, b: __m512) -> __m512 {
    _mm512_add_ps(_mm512_shuffle_f32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b))
}

/// `_mm512_dpwssd_epi32`. Where two follow each other, LLVM takes the second apart into a product and a sum, as if the
/// wait for the first were what costs, and nothing but assembly keeps its machine combiner from that: for int8 weights it
/// was half as much again to do.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn dpwssd(mut sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: the instruction is one of AVX-512 VNNI, which this function asks for, and changes nothing but `sums`.
    unsafe {
        asm!(
            "vpdpwssd {sums}, {a}, {b}",
            sums = inout(zmm_reg) sums,
            a = in(zmm_reg) a,
            b = in(zmm_reg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sums
}

/// The transpose of 16 rows of 16.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transpose(rows: [__m512i; LANES]) -> [__m512i; LANES] {
    let mut a = rows;
    for i in (0..LANES).step_by(2) {
        a[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    let mut b = a;
    for i in (0..LANES).step_by(4) {
        b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    // Of each four rows, `b[i]` now has columns i, i + 4, i + 8 and i + 12.
    let mut c = b;
    for i in 0..4 {
        for eight in [0, 8] {
            c[eight + i] = _mm512_shuffle_i32x4::<0b10_00_10_00>(b[eight + i], b[eight + i + 4]);
            c[eight + i + 4] = _mm512_shuffle_i32x4::<0b11_01_11_01>(b[eight + i], b[eight + i + 4]);
        }
    }
    let mut d = c;
    for i in 0..4 {
        d[i] = _mm512_shuffle_i32x4::<0b10_00_10_00>(c[i], c[i + 8]);
        d[i + 8] = _mm512_shuffle_i32x4::<0b11_01_11_01>(c[i], c[i + 8]);
        d[i + 4] = _mm512_shuffle_i32x4::<0b10_00_10_00>(c[i + 4], c[i + 12]);
        d[i + 12] = _mm512_shuffle_i32x4::<0b11_01_11_01>(c[i + 4], c[i + 12]);
    }
    d
}

// SAFETY: loads and stores are masked to the first `count` lanes; 1 and 2 divide 2, and
// `detect`, which alone makes a value, has found the instructions.
unsafe impl Simd for Avx512 {
    type Floats = __m512;
    type Integers = __m512i;

    const LINES: usize = 2;
    const ROWS: usize = 8;
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
        // SAFETY: `self` was made by `detect`, which has found all of these target features.
        unsafe { vectorized(run) }
    }

    #[inline(always)]
    unsafe fn load_first(self, start: *const f32, count: usize) -> __m512 {
        // SAFETY: `self` proves that AVX-512 F is there; the masked load reads `count` numbers at most, for which the
        // caller vouches.
        unsafe { _mm512_maskz_loadu_ps(first(count), start) }
    }

    #[inline(always)]
    unsafe fn store_first(self, start: *mut f32, count: usize, lanes: __m512) {
        // SAFETY: `self` proves that AVX-512 F is there; the masked store writes `count` numbers at most, for which
        // the caller vouches.
        unsafe { _mm512_mask_storeu_ps(start, first(count), lanes) }
    }

    #[inline(always)]
    unsafe fn load_f16(self, start: *const F16, count: usize) -> __m512 {
        // SAFETY: `self` proves that AVX-512 F, BW and VL are there; the masked load reads `count` numbers at most, for
        // which the caller vouches.
        unsafe { _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(count), start.cast())) }
    }

    #[inline(always)]
    unsafe fn store_f16(self, start: *mut F16, count: usize, lanes: __m512) {
        // SAFETY: `self` proves that AVX-512 F, BW and VL are there; the masked store writes `count` numbers at most,
        // for which the caller vouches.
        unsafe {
            let rounded = _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(lanes);
            _mm256_mask_storeu_epi16(start.cast(), first(count), rounded);
        }
    }

    methods! {
        "avx512f,avx512bw,avx512vl,avx512vnni"

        fn load_line(line: &Line<f32>) -> __m512 {
            // SAFETY: a line has 16 numbers and is aligned to 64 bytes.
            unsafe { _mm512_load_ps(line.0.as_ptr()) }
        }

        fn load_words(line: &Line<u32>) -> __m512i {
            // SAFETY: a line has 16 numbers and is aligned to 64 bytes.
            unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
        }

        fn splat(number: f32) -> __m512 {
            _mm512_set1_ps(number)
        }

        fn add(a: __m512, b: __m512) -> __m512 {
            _mm512_add_ps(a, b)
        }

        fn sub(a: __m512, b: __m512) -> __m512 {
            _mm512_sub_ps(a, b)
        }

        fn mul(a: __m512, b: __m512) -> __m512 {
            _mm512_mul_ps(a, b)
        }

        fn div(a: __m512, b: __m512) -> __m512 {
            _mm512_div_ps(a, b)
        }

        fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
            _mm512_fmadd_ps(a, b, c)
        }

        fn neg_mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
            _mm512_fnmadd_ps(a, b, c)
        }

        fn min(a: __m512, b: __m512) -> __m512 {
            _mm512_min_ps(a, b)
        }

        fn max(a: __m512, b: __m512) -> __m512 {
            _mm512_max_ps(a, b)
        }

        fn round(a: __m512) -> __m512 {
            _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a)
        }

        fn scale(a: __m512, n: __m512) -> __m512 {
            _mm512_scalef_ps(a, n)
        }

        fn first_of(count: usize, a: __m512, b: __m512) -> __m512 {
            _mm512_mask_blend_ps(first(count), b, a)
        }

        fn sum(a: __m512) -> f32 {
            _mm512_reduce_add_ps(a)
        }

        fn greatest(a: __m512) -> f32 {
            _mm512_reduce_max_ps(a)
        }

        fn at_least(a: __m512, least: f32) -> u16 {
            _mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, _mm512_set1_ps(least))
        }

        fn sums_of_quarters(registers: [__m512; 4]) -> __m512 {
            let [a, b, c, d] = registers;
            let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
            let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
            _mm512_add_ps(
                _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)),
            )
        }

        fn sums_across_quarters(registers: [__m512; 4]) -> __m512 {
            let [a, b, c, d] = registers;
            sums_of_halves(sums_of_halves(a, b), sums_of_halves(c, d))
        }

        fn transpose(registers: [__m512; LANES]) -> [__m512; LANES] {
            let mut rows = [_mm512_setzero_si512(); LANES];
            for (row, register) in rows.iter_mut().zip(registers) {
                *row = _mm512_castps_si512(register);
            }
            let mut columns = registers;
            for (column, row) in columns.iter_mut().zip(transpose(rows)) {
                *column = _mm512_castsi512_ps(row);
            }
            columns
        }

        fn magnitudes(a: __m512) -> __m512i {
            _mm512_castps_si512(_mm512_abs_ps(a))
        }

        fn max_magnitudes(a: __m512i, b: __m512i) -> __m512i {
            _mm512_max_epu32(a, b)
        }

        fn greatest_magnitude(a: __m512i) -> u32 {
            _mm512_reduce_max_epu32(a)
        }

        fn splat_integer(number: i32) -> __m512i {
            _mm512_set1_epi32(number)
        }

        fn add_integers(a: __m512i, b: __m512i) -> __m512i {
            _mm512_add_epi32(a, b)
        }

        fn sum_of_integers(a: __m512i) -> i32 {
            _mm512_reduce_add_epi32(a)
        }

        fn to_integers(a: __m512) -> __m512i {
            _mm512_cvtps_epi32(a)
        }

        fn to_floats(a: __m512i) -> __m512 {
            _mm512_cvtepi32_ps(a)
        }

        fn bytes(activations: __m512i) -> [[i32; 2]; 2] {
            let mut groups = [[0; 2]; 2];
            let order = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
            let bytes = _mm_shuffle_epi8(_mm512_cvtsepi32_epi8(activations), order);
            // SAFETY: the groups have 16 bytes.
            unsafe { _mm_storeu_si128(groups.as_mut_ptr().cast(), bytes) };
            groups
        }

        fn shorts(activations: __m512i) -> [[i32; 2]; 4] {
            let mut groups = [[0; 2]; 4];
            let order = _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15);
            let shorts: __m256i = _mm512_cvtsepi32_epi16(activations);
            let shorts = _mm256_shuffle_epi8(shorts, _mm256_broadcastsi128_si256(order));
            // SAFETY: the groups have 32 bytes.
            unsafe { _mm256_storeu_si256(groups.as_mut_ptr().cast(), shorts) };
            groups
        }

        fn unpack<const BITS: usize>(words: __m512i) -> [__m512i; 2] {
            if BITS == 4 {
                let lower_half = _mm512_set1_epi8(15);
                let upper = _mm512_srli_epi16::<4>(words);
                [_mm512_and_si512(words, lower_half), _mm512_and_si512(upper, lower_half)]
            } else {
                [_mm512_and_si512(words, _mm512_set1_epi16(255)), _mm512_srli_epi16::<8>(words)]
            }
        }

        fn add_products<const BITS: usize>(sums: __m512i, weights: __m512i, group: i32) -> __m512i {
            let group = _mm512_set1_epi32(group);
            if BITS == 4 {
                _mm512_dpbusd_epi32(sums, weights, group)
            } else {
                dpwssd(sums, weights, group)
            }
        }

        fn totals<const BITS: usize>(sums: __m512i) -> __m512i {
            sums
        }

        fn dot(weights: &[u8], activations: &[[i32; 2]]) -> i32 {
            halves::dot(weights, activations) // AVX-512 contains AVX2
        }
    }
}
