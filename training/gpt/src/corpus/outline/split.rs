//! Split of a corpus into training and validation, by whole documents wherever that is possible.
//!
//! Documents are ordered by the hash of their text. The first that hold `train_fraction` of all characters are for
//! training, the others validate. Which is which depends on the texts alone, and identical documents stay together.
//!
//! A document that is longer than the smaller of the two parts, such as the only one, one of three books or a novel among
//! poems, would tip the scales: its own first `train_fraction` of characters is for training, its rest validates.
//! So of ten or more documents of one length none is cut with a `train_fraction` of 0.9.

use std::io;

use super::entries::{Entry, Outline};

/// Documents are ordered by this many bits of their hash; those that agree in them stay together.
const ORDER_BITS: u32 = 16;

/// Where a document goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// All of it is for training.
    Training,
    /// All of it validates.
    Validation,
    /// Its beginning is for training, its rest validates.
    Cut {
        /// Length of the beginning.
        training_characters: u64,
        /// Whether the cut may move back to the end of a paragraph, a line or a word.
        moves_to_a_gap: bool,
    },
    /// It is identical to an earlier one and left out.
    LeftOut,
}

/// Decides for each document where it goes.
pub struct SplitRule {
    train_fraction: f64,
    /// Longer documents are cut.
    longest_whole: f64,
    /// The first hash, in its upper bits, that validates.
    first_validation: u64,
    is_single: bool,
    has_validation: bool,
    deduplicate: bool,
}

impl SplitRule {
    /// The rule for a corpus. `has_validation` says that some of its files are for validation, so that the others
    /// are for training alone; `deduplicate`, that repeated documents are left out.
    ///
    /// # Errors
    /// If the outline cannot be read.
    pub fn new(
        outline: &Outline,
        train_fraction: f64,
        has_validation: bool,
        deduplicate: bool,
    ) -> io::Result<Self> {
        let mut rule = Self {
            train_fraction,
            longest_whole: 0.0,
            first_validation: 0,
            is_single: false,
            has_validation,
            deduplicate,
        };
        let (mut documents, mut characters) = (0, 0);
        for entry in outline.entries()? {
            let entry = entry?;
            if !rule.leaves_out(entry) {
                documents += 1;
                characters += entry.characters;
            }
        }
        rule.is_single = documents == 1;
        rule.longest_whole = train_fraction.min(1.0 - train_fraction) * characters as f64;
        rule.first_validation = rule.border(outline)?;
        Ok(rule)
    }

    /// The place in the order that divides the characters of whole documents best.
    fn border(&self, outline: &Outline) -> io::Result<u64> {
        let mut by_order = vec![0; 1 << ORDER_BITS];
        for entry in outline.entries()? {
            let entry = entry?;
            if !self.leaves_out(entry) && !self.is_long(entry) {
                by_order[order(entry) as usize] += entry.characters;
            }
        }
        let wanted = self.train_fraction * by_order.iter().sum::<u64>() as f64;
        let (mut best, mut smallest, mut before) = (0, wanted, 0);
        for (place, characters) in (1..).zip(by_order) {
            before += characters;
            let difference = (before as f64 - wanted).abs();
            if difference < smallest {
                (best, smallest) = (place, difference);
            }
        }
        Ok(best)
    }

    /// Where a document goes; `is_validation` says that its file is for validation.
    pub fn place(&self, entry: Entry, is_validation: bool) -> Placement {
        if self.leaves_out(entry) {
            Placement::LeftOut
        } else if is_validation || (!self.has_validation && self.train_fraction <= 0.0) {
            Placement::Validation
        } else if self.has_validation {
            Placement::Training
        } else if self.is_long(entry) {
            Placement::Cut {
                training_characters: (entry.characters as f64 * self.train_fraction) as u64,
                moves_to_a_gap: !self.is_single,
            }
        } else if order(entry) < self.first_validation {
            Placement::Training
        } else {
            Placement::Validation
        }
    }

    fn leaves_out(&self, entry: Entry) -> bool {
        self.deduplicate && entry.is_repeated
    }

    fn is_long(&self, entry: Entry) -> bool {
        // Some room for rounding: a tenth is not longer than the rest of nine tenths.
        entry.characters as f64 > self.longest_whole * (1.0 + 1e-9)
    }
}

fn order(entry: Entry) -> u64 {
    entry.hash >> (u64::BITS - ORDER_BITS)
}

#[cfg(test)]
mod tests {
    use artifact::Sha256Hex;
    use proptest::prelude::*;

    use super::super::entries::tests::outline;
    use super::super::repeated::mark_repeated;
    use super::*;

    /// Documents of these lengths, with hashes as good as any.
    fn documents(lengths: &[u64]) -> Vec<(u64, u64)> {
        let hash = |index: usize| {
            let digest = Sha256Hex::of_bytes(&index.to_le_bytes());
            u64::from_str_radix(&digest.as_str()[..16], 16).unwrap()
        };
        lengths.iter().enumerate().map(|(index, &length)| (hash(index), length)).collect()
    }

    fn place(documents: &[(u64, u64)], train_fraction: f64) -> Vec<Placement> {
        let outline = outline(documents);
        let rule = SplitRule::new(&outline, train_fraction, false, false).unwrap();
        outline.entries().unwrap().map(|entry| rule.place(entry.unwrap(), false)).collect()
    }

    fn cut(training_characters: u64, moves_to_a_gap: bool) -> Placement {
        Placement::Cut { training_characters, moves_to_a_gap }
    }

    #[test]
    fn one_or_a_few_documents_are_cut() {
        assert_eq!(place(&documents(&[20_479]), 0.9), [cut(18_431, false)]);
        assert_eq!(place(&documents(&[100, 200, 300]), 0.9), [cut(90, true), cut(180, true), cut(270, true)]);
        assert_eq!(place(&[], 0.9), []);
    }

    #[test]
    fn many_are_whole_and_each_split_has_its_share() {
        for count in [10, 20, 21, 1000] {
            let placed = place(&documents(&vec![60; count]), 0.9);
            let training = placed.iter().filter(|place| **place == Placement::Training).count();
            let validation = placed.iter().filter(|place| **place == Placement::Validation).count();
            assert_eq!(training + validation, count);
            assert_eq!(training, (count as f64 * 0.9).round() as usize, "{count}");
        }
    }

    #[test]
    fn a_novel_among_poems_is_cut_and_no_poem_is() {
        let mut lengths = vec![60; 40];
        lengths[7] = 1_000_000;
        let placed = place(&documents(&lengths), 0.9);
        let is_cut = |place: &&Placement| matches!(place, Placement::Cut { .. });
        assert_eq!(placed.iter().filter(is_cut).collect::<Vec<_>>(), [&cut(900_000, true)]);
        assert_eq!(placed.iter().filter(|place| **place == Placement::Validation).count(), 4);
    }

    #[test]
    fn the_order_of_documents_decides_nothing_and_identical_ones_stay_together() {
        let mut all = documents(&[60; 30]);
        all.extend(all.clone());
        let placed = place(&all, 0.9);
        assert_eq!(placed[..30], placed[30..]);
        let mut reversed = all.clone();
        reversed.reverse();
        assert_eq!(place(&reversed, 0.9).into_iter().rev().collect::<Vec<_>>(), placed);
    }

    #[test]
    fn files_for_validation_leave_the_others_to_training() {
        let outline = outline(&[(1, 10), (2, 10), (1, 10)]);
        assert_eq!(mark_repeated(&outline).unwrap().documents, 1);
        let placed = |deduplicate| -> Vec<Placement> {
            let rule = SplitRule::new(&outline, 0.9, true, deduplicate).unwrap();
            let entries = outline.entries().unwrap().map(Result::unwrap);
            entries.enumerate().map(|(index, entry)| rule.place(entry, index > 0)).collect()
        };
        use Placement::{LeftOut, Training, Validation};
        assert_eq!(placed(false), [Training, Validation, Validation]);
        assert_eq!(placed(true), [Training, Validation, LeftOut]);
    }

    #[test]
    fn a_fraction_of_zero_validates_with_everything() {
        assert_eq!(place(&documents(&[5, 60]), 0.0), [Placement::Validation; 2]);
    }

    proptest! {
        /// Whatever the lengths, both splits have something, and about their share.
        #[test]
        fn both_splits_have_about_their_share(
            lengths in prop::collection::vec(1..1000_u64, 1..80),
            train_fraction in prop::sample::select(vec![0.5, 0.8, 0.9, 0.95])
        ) {
            let documents = documents(&lengths);
            let training: u64 = place(&documents, train_fraction).iter().zip(&lengths).map(|(place, length)| match place {
                Placement::Training => *length,
                Placement::Cut { training_characters, .. } => *training_characters,
                Placement::Validation | Placement::LeftOut => 0,
            }).sum();
            let total = lengths.iter().sum::<u64>() as f64;
            let rounding = lengths.len() as f64;
            let difference = (training as f64 - train_fraction * total).abs();
            prop_assert!(difference <= (1.0 - train_fraction) * total / 2.0 + rounding, "{training} of {total}");
        }
    }
}
