//! Repetition in the text so far: the last earlier occurrence of its last ids.

use super::limits::{MAX_MATCH, MIN_MATCH};

/// The last earlier occurrence of the longest suffix of a text that has one.
pub(super) struct Match {
    /// Length of that suffix in ids.
    pub(super) length: usize,
    /// Index of the id that followed.
    next: usize,
}

/// Finds the longest suffix of `recent`, within one document, that occurs earlier in it.
pub(super) fn longest_match(recent: &[u32], end_of_text: Option<u32>) -> Option<Match> {
    let mut best: Option<Match> = None;
    for next in (1..recent.len()).rev() {
        let backwards = recent[..next].iter().rev().zip(recent.iter().rev()).take(MAX_MATCH);
        let length = backwards.take_while(|(a, b)| a == b && Some(**a) != end_of_text).count();
        if length > best.as_ref().map_or(MIN_MATCH - 1, |best| best.length) {
            best = Some(Match { length, next });
            if length == MAX_MATCH {
                break;
            }
        }
    }
    best
}

impl Match {
    /// Appends the ids that followed to `drafted`, up to `max`. Where they reach the end of `recent`, the
    /// text repeats itself, and so does the draft.
    pub(super) fn follow(
        &self,
        recent: &[u32],
        end_of_text: Option<u32>,
        max: usize,
        drafted: &mut Vec<u32>,
    ) {
        let period = recent.len() - self.next;
        let start = drafted.len();
        for i in 0..max {
            let id = if i < period { recent[self.next + i] } else { drafted[start + i - period] };
            if Some(id) == end_of_text {
                break;
            }
            drafted.push(id);
        }
    }
}
