//! The exponential function on SIMD registers.

use crate::simd::Simd;

/// `e^x`, to two units in the last place; 0 below -104, infinite beyond 89.
///
/// `x = n ln 2 + r` with the integer `n` nearest to `x / ln 2`, and `e^r` by its Taylor polynomial of
/// degree 7 (error for `|r| <= ln 2 / 2`: 6e-9). `ln 2` has two parts, so that `r` is exact enough.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::Floats) -> S::Floats {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Of two operands the second is taken if one of them is NaN: NaN stays.
    let x = simd.min(simd.splat(89.0), simd.max(simd.splat(-104.0), x));
    let n = simd.round(simd.mul(x, simd.splat(std::f32::consts::LOG2_E)));
    let r = simd.neg_mul_add(n, simd.splat(LN_2_HIGH), x);
    let r = simd.neg_mul_add(n, simd.splat(LN_2_LOW), r);
    let mut power = simd.splat(1.0 / 5040.0);
    for divisor in [720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0] {
        power = simd.mul_add(power, r, simd.splat(1.0 / divisor));
    }
    simd.scale(power, n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_each::on_each;
    use crate::simd::LANES;

    fn exp_is_the_exponential(simd: impl Simd) -> Vec<u32> {
        let x: Vec<f32> = (-10400..=8900)
            .map(|i| i as f32 * 0.01)
            .chain([-200.0, f32::NEG_INFINITY, 89.0, f32::INFINITY])
            .collect();
        let mut found = vec![0.0; x.len()];
        for (x, found) in x.chunks(LANES).zip(found.chunks_mut(LANES)) {
            simd.vectorize(
                #[inline(always)]
                || simd.store(found, exp(simd, simd.load(x))),
            );
        }
        for (&x, &found) in x.iter().zip(&found) {
            let expected = f64::from(x).exp() as f32;
            // The smallest numbers are multiples of 1.4e-45.
            let close = (found - expected).abs() <= 2.4e-7 * expected + 1.5e-45;
            assert!(close || found == expected, "exp({x}): {found} != {expected}");
        }
        let mut nan = [0.0];
        simd.vectorize(
            #[inline(always)]
            || simd.store(&mut nan, exp(simd, simd.load(&[f32::NAN]))),
        );
        assert!(nan[0].is_nan());
        found.into_iter().map(f32::to_bits).collect()
    }
    on_each!(exp_is_the_exponential);
}
