//! Arithmetic on registers of 16 numbers.

use std::arch::x86_64::{
    __m512, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _mm512_add_ps, _mm512_castpd_ps, _mm512_castps_pd,
    _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_max_ps,
    _mm512_min_ps, _mm512_mul_ps, _mm512_roundscale_ps, _mm512_scalef_ps, _mm512_set1_ps,
    _mm512_shuffle_f32x4, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

/// Numbers of a register.
pub(super) const LANES: usize = 16;

/// A mask of the first `count` lanes; of all, if there are no more.
pub(super) fn first(count: usize) -> u16 {
    if count < LANES { (1 << count) - 1 } else { u16::MAX }
}

/// The first 16 of `values`, filled up with zeros.
#[target_feature(enable = "avx512f")]
pub(super) fn load(values: &[f32]) -> __m512 {
    // SAFETY: the mask leaves out what is beyond the slice.
    unsafe { _mm512_maskz_loadu_ps(first(values.len()), values.as_ptr()) }
}

/// Writes as many lanes as `values` has room for.
#[target_feature(enable = "avx512f")]
pub(super) fn store(values: &mut [f32], lanes: __m512) {
    // SAFETY: the mask leaves out what is beyond the slice.
    unsafe { _mm512_mask_storeu_ps(values.as_mut_ptr(), first(values.len()), lanes) }
}

/// `e^x`, to two units in the last place; 0 below -104, infinite beyond 89.
///
/// `x = n ln 2 + r` with the integer `n` nearest to `x / ln 2`, and `e^r` by its Taylor polynomial of
/// degree 7 (error for `|r| <= ln 2 / 2`: 6e-9). `ln 2` has two parts, so that `r` is exact enough.
#[target_feature(enable = "avx512f")]
pub(super) fn exp(x: __m512) -> __m512 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Of two operands the second is taken if one of them is NaN: NaN stays.
    let x = _mm512_min_ps(_mm512_set1_ps(89.0), _mm512_max_ps(_mm512_set1_ps(-104.0), x));
    let n = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(_mm512_mul_ps(
        x,
        _mm512_set1_ps(std::f32::consts::LOG2_E),
    ));
    let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(LN_2_HIGH), x);
    let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(LN_2_LOW), r);
    let mut power = _mm512_set1_ps(1.0 / 5040.0);
    for divisor in [720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0] {
        power = _mm512_fmadd_ps(power, r, _mm512_set1_ps(1.0 / divisor));
    }
    _mm512_scalef_ps(power, n)
}

/// Sums of 16 registers: lane `i` is the sum over the lanes of register `i`.
#[target_feature(enable = "avx512f")]
pub(super) fn sums(registers: [__m512; LANES]) -> __m512 {
    // Each step adds halves, and leaves twice as many registers' sums in one.
    let twos: [__m512; 8] = std::array::from_fn(|i| {
        let [a, b] = [registers[2 * i], registers[2 * i + 1]];
        _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b))
    });
    let fours: [__m512; 4] = std::array::from_fn(|i| {
        let [a, b] = [_mm512_castps_pd(twos[2 * i]), _mm512_castps_pd(twos[2 * i + 1])];
        _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)))
    });
    let quarters = |a, b| {
        _mm512_add_ps(
            _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b),
            _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b),
        )
    };
    quarters(quarters(fours[0], fours[1]), quarters(fours[2], fours[3]))
}

#[cfg(test)]
mod tests {
    use std::arch::x86_64::_mm512_loadu_ps;

    use super::*;

    fn each(function: impl Fn(f32) -> f32, x: &[f32]) -> Vec<f32> {
        x.iter().map(|&x| function(x)).collect()
    }

    #[test]
    fn exp_is_the_exponential() {
        if !super::super::is_supported() {
            return;
        }
        let x: Vec<f32> = (-8700..=8800)
            .map(|i| i as f32 * 0.01)
            .chain([-200.0, f32::NEG_INFINITY, 89.0, f32::INFINITY])
            .collect();
        let mut found = vec![0.0; x.len()];
        for (x, found) in x.chunks(LANES).zip(found.chunks_mut(LANES)) {
            // SAFETY: asked for above.
            unsafe { store(found, exp(load(x))) };
        }
        for ((&x, found), expected) in x.iter().zip(found).zip(each(|x| f64::from(x).exp() as f32, &x)) {
            let close = (found - expected).abs() <= 2.4e-7 * expected;
            assert!(close || found == expected, "exp({x}): {found} != {expected}");
        }
        let mut nan = [0.0];
        // SAFETY: asked for above.
        unsafe { store(&mut nan, exp(load(&[f32::NAN]))) };
        assert!(nan[0].is_nan());
    }

    /// Register `i` has `100 i + lane`: its sum is 1600 i + 120.
    #[test]
    fn sums_are_in_the_order_of_the_registers() {
        if !super::super::is_supported() {
            return;
        }
        let mut found = [0.0; LANES];
        // SAFETY: asked for above; the arrays have 16 numbers.
        unsafe {
            let register = |i: usize| {
                _mm512_loadu_ps(std::array::from_fn::<f32, 16, _>(|lane| (100 * i + lane) as f32).as_ptr())
            };
            store(&mut found, sums(std::array::from_fn(register)));
        }
        assert_eq!(found, std::array::from_fn(|i| (1600 * i + 120) as f32));
    }
}
