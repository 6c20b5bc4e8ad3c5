//! Training budget: how long a training may take, as a time, a number of tokens or of steps.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use indicatif::HumanCount;

/// Shorter than this, what surrounds the training is most of it.
const SHORTEST: Duration = Duration::from_secs(20);
const LONGEST: Duration = Duration::from_secs(100 * 24 * 3600);
const MAX_TOKENS: f64 = 1e15;
/// As the settings of a preset have it.
const MAX_STEPS: f64 = 1e6;

/// How long a training may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// From the start of the program until the model is published.
    Time(Duration),
    /// Tokens trained on, each pass over the text counted.
    Tokens(u64),
    /// Optimizer steps.
    Steps(usize),
}

/// A text that is no budget.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("`{found}` is no budget: {expected}")]
pub struct BudgetError {
    found: String,
    expected: String,
}

impl FromStr for Budget {
    type Err = BudgetError;

    /// Reads `90s`, `10m`, `1h30m`, `2.5h`, `1d`; `2e9 tokens`; `5000 steps`.
    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let error = |expected: &str| BudgetError { found: text.to_owned(), expected: expected.to_owned() };
        let form = "expected a time such as 90s, 10m or 1h30m, `2e9 tokens` or `5000 steps`";
        let mut parts = parts(text).ok_or_else(|| error(form))?.into_iter().peekable();
        if let Some((number, "tokens" | "token" | "steps" | "step")) = parts.peek().copied() {
            let is_steps = text.contains("step");
            parts.next();
            let most = if is_steps { MAX_STEPS } else { MAX_TOKENS };
            if parts.next().is_some() {
                return Err(error(form));
            }
            if !(1.0..=most).contains(&number) {
                return Err(error(&format!("expected a number from 1 to {most:e}")));
            }
            return Ok(if is_steps { Self::Steps(number as usize) } else { Self::Tokens(number as u64) });
        }
        let mut seconds = 0.0;
        let mut last = f64::INFINITY;
        for (number, unit) in parts {
            let unit = match unit {
                "d" => 86_400.0,
                "h" => 3_600.0,
                "m" | "min" => 60.0,
                "s" => 1.0,
                _ => return Err(error(form)),
            };
            if unit >= last {
                return Err(error(form));
            }
            last = unit;
            seconds += number * unit;
        }
        if !(SHORTEST.as_secs_f64()..=LONGEST.as_secs_f64()).contains(&seconds) {
            return Err(error("expected a time from 20s to 100d"));
        }
        Ok(Self::Time(Duration::from_secs_f64(seconds)))
    }
}

/// Numbers and the units behind them; nothing if there is anything else.
fn parts(text: &str) -> Option<Vec<(f64, &str)>> {
    let mut rest = text.trim();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let is_of_number = |(index, character): (usize, char)| {
            // `2e9` is a number, and so is what stands before `e` in `2e9`.
            let follows = rest[index + character.len_utf8()..].chars().next();
            character.is_ascii_digit()
                || matches!(character, '.' | '_' | ',')
                || (matches!(character, 'e' | 'E')
                    && index > 0
                    && follows.is_some_and(|c| c.is_ascii_digit()))
        };
        let end = rest.char_indices().find(|&at| !is_of_number(at)).map_or(rest.len(), |(index, _)| index);
        let number: f64 = rest[..end].replace(['_', ','], "").parse().ok()?;
        rest = rest[end..].trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        if end == 0 {
            return None;
        }
        parts.push((number, &rest[..end]));
        rest = rest[end..].trim_start();
    }
    (!parts.is_empty()).then_some(parts)
}

impl fmt::Display for Budget {
    /// As it can be read again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Tokens(tokens) => write!(f, "{} tokens", HumanCount(tokens)),
            Self::Steps(steps) => write!(f, "{} steps", HumanCount(steps as u64)),
            Self::Time(time) => {
                let seconds = time.as_secs();
                let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
                parts
                    .iter()
                    .filter(|(number, _)| *number > 0)
                    .try_for_each(|(number, unit)| write!(f, "{number}{unit}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: f64) -> Budget {
        Budget::Time(Duration::from_secs_f64(seconds))
    }

    #[test]
    fn is_a_time_or_a_number_of_tokens_or_steps() {
        for (text, expected) in [
            ("90s", time(90.0)),
            ("10m", time(600.0)),
            ("10 min", time(600.0)),
            ("2.5m", time(150.0)),
            ("1h30m", time(5400.0)),
            ("1d", time(86_400.0)),
            ("2e9 tokens", Budget::Tokens(2_000_000_000)),
            ("2e9tokens", Budget::Tokens(2_000_000_000)),
            ("1,000 tokens", Budget::Tokens(1_000)),
            ("5000 steps", Budget::Steps(5_000)),
            ("1 step", Budget::Steps(1)),
        ] {
            let budget: Budget = text.parse().unwrap();
            assert_eq!(budget, expected, "{text}");
            assert_eq!(budget.to_string().parse(), Ok(budget), "{budget}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_meant() {
        for text in
            ["", "10", "m", "10x", "-5m", "5m 5m", "30s 1h", "10m tokens", "5 steps 3 tokens", "1e", "é"]
        {
            let error = text.parse::<Budget>().unwrap_err().to_string();
            assert!(error.contains("such as 90s, 10m or 1h30m"), "{text}: {error}");
        }
        for (text, expected) in [
            ("5s", "20s to 100d"),
            ("1000d", "100d"),
            ("0 steps", "from 1 to 1e6"),
            ("2e6 steps", "1e6"),
            ("1e16 tokens", "1e15"),
        ] {
            let error = text.parse::<Budget>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
