//! Scaling law for small texts: the loss to expect of a model, by its size, the text and the passes over it.
//!
//! `E + A / N^a + B / D^b` bits per byte, of `N` parameters in transformer blocks and `D` bytes trained on (Hoffmann et
//! al., "Training Compute-Optimal Large Language Models", 2022). A byte that is read again counts for less than a new
//! one, and after some passes for nothing (Muennighoff et al., "Scaling Data-Constrained Language Models", 2023). The
//! numbers are laid through the rows in `tests/benches/quality/sweep.md` by hand.

/// What no model of this family learns from a text.
const FLOOR: f64 = 1.46;
/// Weight and exponent of the model's size.
const SIZE: (f64, f64) = (9.2, 0.3);
/// Weight and exponent of the text.
const TEXT: (f64, f64) = (100.0, 0.4);
/// Passes, beyond the first, after which another one adds a third of what a new text would.
const USEFUL_PASSES: f64 = 12.0;

/// The loss on other texts of the same kind, in bits per byte, of a model with so many parameters in its blocks, after
/// `bytes` bytes of training on a text of `text_bytes` bytes.
pub fn bits_per_byte(block_parameters: usize, bytes: f64, text_bytes: f64) -> f64 {
    let power = |(weight, exponent): (f64, f64), x: f64| weight / x.max(1.0).powf(exponent);
    FLOOR + power(SIZE, block_parameters as f64) + power(TEXT, worth(bytes, text_bytes))
}

/// The number of new bytes that as many repeated ones are worth.
fn worth(bytes: f64, text_bytes: f64) -> f64 {
    let repeated = bytes / text_bytes - 1.0;
    if repeated <= 0.0 {
        return bytes;
    }
    text_bytes * (1.0 + USEFUL_PASSES * (1.0 - (-repeated / USEFUL_PASSES).exp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_pass_is_worth_less_than_a_new_text_and_in_the_end_nothing() {
        assert_eq!(worth(0.5e6, 1e6), 0.5e6);
        assert_eq!(worth(1e6, 1e6), 1e6);
        let passes = |count: f64| worth(count * 1e6, 1e6);
        assert!((1.9e6..2e6).contains(&passes(2.0)));
        assert!(passes(1000.0) <= (1.0 + USEFUL_PASSES) * 1e6);
        // A third: 1 - 1/e, rounded up.
        let slope = (passes(1.0 + USEFUL_PASSES) - passes(USEFUL_PASSES)) / 1e6;
        assert!((0.33..0.42).contains(&slope), "{slope}");
    }

    #[test]
    fn larger_models_and_longer_texts_are_better() {
        let loss = bits_per_byte(1 << 20, 1e7, 1e7);
        assert!(bits_per_byte(1 << 21, 1e7, 1e7) < loss);
        assert!(bits_per_byte(1 << 20, 2e7, 2e7) < loss);
        assert!(bits_per_byte(1 << 20, 2e7, 1e7) < loss);
        assert!(loss > FLOOR);
    }
}
