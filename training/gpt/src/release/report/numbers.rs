//! Numbers as the report's template writes them. The template passes fields by reference and results by
//! value.

use std::borrow::Borrow;

use indicatif::HumanCount;

/// 162,419,712
pub(super) fn thousands(number: impl Borrow<usize>) -> HumanCount {
    HumanCount(*number.borrow() as u64)
}

/// 0.75 s, 89.0 s, 7 min 5 s, 2 h 30 min
pub(super) fn duration(seconds: impl Borrow<f64>) -> String {
    let seconds = *seconds.borrow();
    let whole = seconds.round() as u64;
    match seconds {
        ..2.0 => format!("{seconds:.2} s"),
        ..120.0 => format!("{seconds:.1} s"),
        ..7200.0 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A figure that may not be known.
pub(super) fn figure(value: &Option<f64>, decimals: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.decimals$}"))
}

/// A number that may be far below 1: 0.2500, 3.1e-5.
pub(super) fn small(number: &f64) -> String {
    if number.abs() >= 1e-3 || *number == 0.0 { format!("{number:.4}") } else { format!("{number:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let counts = [0, 999, 1_000, 46_080, 1_000_000].map(|count| thousands(count).to_string());
        assert_eq!(counts, ["0", "999", "1,000", "46,080", "1,000,000"]);
        assert_eq!(
            [0.5, 89.0, 425.0, 9_000.0].map(duration),
            ["0.50 s", "89.0 s", "7 min 5 s", "2 h 30 min"]
        );
        assert_eq!([0.0, 0.25, 3.1e-5].map(|n| small(&n)), ["0.0000", "0.2500", "3.1e-5"]);
    }
}
