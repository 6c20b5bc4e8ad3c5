//! Functions of AVX2 on two registers of 8 numbers, which stand for one of 16.

use std::arch::x86_64::*;

use super::line::LANES;

/// Numbers of a half.
pub(super) const HALF: usize = LANES / 2;

/// The lower and the upper 8 lanes.
#[derive(Clone, Copy)]
pub(crate) struct Halves<T>(pub(super) T, pub(super) T);

pub(super) type Floats = Halves<__m256>;
pub(super) type Integers = Halves<__m256i>;

/// A mask of the first `count` lanes of a half.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn first(count: usize) -> __m256i {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(count.min(HALF) as i32), lanes)
}

/// See [`Simd::dot`](super::lanes::Simd::dot).
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn dot(weights: &[u8], activations: &[[i32; 2]]) -> i32 {
    let (weights, _) = weights.as_chunks::<LANES>();
    let (groups, _) = activations.as_chunks::<{ LANES / 4 }>();
    let groups = &groups[..weights.len()];
    // As `shorts` orders the activations.
    let order = _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    let mut sums = _mm256_setzero_si256();
    for (weights, groups) in weights.iter().zip(groups) {
        // SAFETY: a chunk of weights has 16 bytes, and a chunk of groups 32.
        let (weights, groups) =
            unsafe { (_mm_loadu_si128(weights.as_ptr().cast()), _mm256_loadu_si256(groups.as_ptr().cast())) };
        let weights = _mm256_cvtepu8_epi16(_mm_shuffle_epi8(weights, order));
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(weights, groups));
    }
    sum_of_integers(sums)
}

/// The sum of all lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum_of_integers(a: __m256i) -> i32 {
    let fours = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
    let twos = _mm_add_epi32(fours, _mm_shuffle_epi32::<0b11_10_11_10>(fours));
    _mm_cvtsi128_si32(_mm_add_epi32(twos, _mm_shuffle_epi32::<0b01>(twos)))
}

/// The lower and the upper four lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn quarters(a: __m256) -> (__m128, __m128) {
    (_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a))
}

/// `2^n` for integers from -126 to 127.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn power_of_two(n: __m256i) -> __m256 {
    _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(n, _mm256_set1_epi32(127))))
}

/// See [`Simd::scale`](super::lanes::Simd::scale).
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn scale(a: __m256, n: __m256) -> __m256 {
    // In two steps, of which the first is exact: 2^n alone may be too small or too great for a number.
    let n = _mm256_cvtps_epi32(n);
    let half = _mm256_srai_epi32::<1>(n);
    let a = _mm256_mul_ps(a, power_of_two(half));
    _mm256_mul_ps(a, power_of_two(_mm256_sub_epi32(n, half)))
}

/// See [`Simd::sums_of_quarters`](super::lanes::Simd::sums_of_quarters).
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sums_of_quarters(a: __m256, b: __m256, c: __m256, d: __m256) -> __m256 {
    let ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    let cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    let (ab, cd) = (_mm256_castps_pd(ab), _mm256_castps_pd(cd));
    _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd)), _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd)))
}

/// The sum of the quarters of `a` beside that of `b`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sums_across_quarters(a: Floats, b: Floats) -> __m256 {
    // The first quarters of both, and the second, third and fourth.
    let lower =
        _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(a.0, b.0), _mm256_permute2f128_ps::<0x31>(a.0, b.0));
    let upper =
        _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(a.1, b.1), _mm256_permute2f128_ps::<0x31>(a.1, b.1));
    _mm256_add_ps(lower, upper)
}

/// The transpose of 8 rows of 8.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn transpose(rows: [__m256; HALF]) -> [__m256; HALF] {
    let mut a = rows;
    for i in (0..HALF).step_by(2) {
        a[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
    }
    // Of each four rows, `b[i]` has columns i and i + 4.
    let mut b = a;
    for i in (0..HALF).step_by(4) {
        b[i] = _mm256_shuffle_ps::<0b01_00_01_00>(a[i], a[i + 2]);
        b[i + 1] = _mm256_shuffle_ps::<0b11_10_11_10>(a[i], a[i + 2]);
        b[i + 2] = _mm256_shuffle_ps::<0b01_00_01_00>(a[i + 1], a[i + 3]);
        b[i + 3] = _mm256_shuffle_ps::<0b11_10_11_10>(a[i + 1], a[i + 3]);
    }
    let mut c = b;
    for i in 0..4 {
        c[i] = _mm256_permute2f128_ps::<0x20>(b[i], b[i + 4]);
        c[i + 4] = _mm256_permute2f128_ps::<0x31>(b[i], b[i + 4]);
    }
    c
}

/// 16 integers as numbers of 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn to_shorts(a: Integers) -> __m256i {
    // Packed quarter by quarter: the second and the third are in each other's place.
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(a.0, a.1))
}

impl<T> Halves<T> {
    #[inline(always)]
    pub(super) fn splat(both: T) -> Self
    where
        T: Copy,
    {
        Self(both, both)
    }
}
